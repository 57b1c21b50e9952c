-- Takes a lease unless somebody else has it, and tells what is noted under it.
--
-- KEYS: lease, members.
-- ARGV: owner, time to live in milliseconds.
-- Returns the members, or nil where the lease is somebody else's.
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('SMEMBERS', KEYS[2])
