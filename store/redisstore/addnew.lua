-- Writes recipients who are all new: one call for many, since a call costs Redis more than what it writes. It knows
-- nothing of consent.
--
-- KEYS: the sentinels of all, the records of all, the histories of all.
-- ARGV: schema; then for each the number of list items and these (the sealed address, the events), the number of hash
--       words and these (v and version, name and text of each field).
-- Returns how many were written, from the first on. It writes nobody where one stands already or a sentinel is missing,
-- and ends at a history without a record.
local n = #KEYS / 3
for _, schema in ipairs(redis.call('MGET', unpack(KEYS, 1, n))) do
  if schema ~= ARGV[1] then return 0 end
end
if redis.call('EXISTS', unpack(KEYS, n + 1, 2 * n)) ~= 0 then return 0 end
local at = 2
for i = n + 1, 2 * n do
  local items = tonumber(ARGV[at])
  local last = at + items
  if redis.call('RPUSH', KEYS[n + i], unpack(ARGV, at + 1, last)) ~= items then
    redis.call('LTRIM', KEYS[n + i], 0, -1 - items)
    return i - n - 1
  end
  at = last + 1
  last = at + ARGV[at]
  redis.call('HSET', KEYS[i], unpack(ARGV, at + 1, last))
  at = last + 1
end
return n
