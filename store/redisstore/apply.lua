-- Sets a record and appends its new events if the record still has the version that was read. It knows nothing of
-- consent.
--
-- KEYS: sentinel, record, history.
-- ARGV: schema, version read, new version, sealed address ("" to leave it), number of events, the events,
--       then name and text of each field.
-- Returns 1 done, 0 read again, -1 no sentinel of this schema, -2 a history without a record.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return -1 end
local last = 5 + ARGV[5]
if ARGV[2] == '0' then
  if redis.call('EXISTS', KEYS[2], KEYS[3]) ~= 0 then
    if redis.call('HEXISTS', KEYS[2], 'v') == 1 then return 0 else return -2 end
  end
  redis.call('RPUSH', KEYS[3], ARGV[4], unpack(ARGV, 6, last))
else
  if redis.call('HGET', KEYS[2], 'v') ~= ARGV[2] then return 0 end
  redis.call('DEL', KEYS[2])
  if ARGV[4] ~= '' then redis.call('LSET', KEYS[3], 0, ARGV[4]) end
  redis.call('RPUSH', KEYS[3], unpack(ARGV, 6, last))
end
redis.call('HSET', KEYS[2], 'v', ARGV[3], unpack(ARGV, last + 1))
return 1
