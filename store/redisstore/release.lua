-- Gives a lease back where it is the owner's, and removes the members where they are named.
--
-- KEYS: lease, members (may be left out).
-- ARGV: owner.
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
if KEYS[2] then redis.call('DEL', KEYS[2]) end
return 1
