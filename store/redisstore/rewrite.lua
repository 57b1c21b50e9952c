-- Replaces all that stands about a recipient if the record still has the version that was read. It knows nothing of
-- consent.
--
-- KEYS: sentinel, record, history.
-- ARGV: schema, version read, new version, number of fields, name and text of each, then the sealed address and the
--       events; nothing after the version read: the recipient is removed.
-- Returns 1 done, 0 another version stands, -1 no sentinel of this schema, -2 a history without a record.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local stands = redis.call('HGET', KEYS[2], 'v') or '0'
if stands ~= ARGV[2] then return 0 end
if stands == '0' and redis.call('EXISTS', KEYS[2], KEYS[3]) ~= 0 then return -2 end
redis.call('DEL', KEYS[2], KEYS[3])
if #ARGV == 2 then return 1 end
local last = 4 + 2 * ARGV[4]
redis.call('HSET', KEYS[2], 'v', ARGV[3], unpack(ARGV, 5, last))
for from = last + 1, #ARGV, 1000 do
  redis.call('RPUSH', KEYS[3], unpack(ARGV, from, math.min(from + 999, #ARGV)))
end
return 1
