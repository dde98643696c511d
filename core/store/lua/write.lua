-- One command that is let in where Redis is full, for it frees memory or takes next to none.
-- the command and its arguments → its answer
return redis.call(unpack(ARGV, 2))
