-- Marks a key of the ledger as open, and drops marks whose time has passed. The mark always moves, so that whoever saw it
-- before knows that it was set again.
--
-- KEYS: marks, each by when it ends.
-- ARGV: now and when this one ends, both in milliseconds, then the key.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
local ends = tonumber(ARGV[2])
local was = redis.call('ZSCORE', KEYS[1], ARGV[3])
if was and tonumber(was) >= ends then ends = tonumber(was) + 1 end
redis.call('ZADD', KEYS[1], string.format('%.0f', ends), ARGV[3])
return 1
