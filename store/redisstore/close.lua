-- Removes the mark of a key that is open no more, if it is still the mark that was seen.
--
-- KEYS: marks.
-- ARGV: the key, and the mark that was seen.
local mark = redis.call('ZSCORE', KEYS[1], ARGV[1])
if mark and tonumber(mark) == tonumber(ARGV[2]) then redis.call('ZREM', KEYS[1], ARGV[1]) end
return 1
