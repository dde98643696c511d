-- Run one command even if Redis is full, because it frees memory or needs little.
-- the command and its arguments → its answer
return redis.call(unpack(ARGV, 2))
