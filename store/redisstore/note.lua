-- Notes members, and lets none that are noted end sooner than they would.
--
-- KEYS: members.
-- ARGV: time to live in milliseconds, then the members to add.
for i = 2, #ARGV do redis.call('SADD', KEYS[1], ARGV[i]) end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[1]) then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return 1
