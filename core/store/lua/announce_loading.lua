-- Announce that a worker is loading a model.
-- worker, model, ms since its start, s that it counts
local worker, model, since, seconds = unpack(ARGV, 2)
local now = now_ms() / 1000
redis.call('ZREMRANGEBYSCORE', loading_key, '-inf', '(' .. now)
redis.call('ZADD', loading_key, now + seconds, worker .. ' ' .. since .. ' ' .. model)
