-- Gives a lease back where it is the owner's, and removes members.
--
-- KEYS: lease, members.
-- ARGV: owner, then the members to remove.
-- Returns 1 where members are left, else 0.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
for i = 2, #ARGV do redis.call('SREM', KEYS[2], ARGV[i]) end
return redis.call('EXISTS', KEYS[2])
