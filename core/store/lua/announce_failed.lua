-- Announce that a live worker could not load a model, and forget those of workers that are gone.
-- worker, model, why, s that it counts
local worker, model, why, seconds = unpack(ARGV, 2)
local now = now_ms() / 1000
local member = worker .. ' ' .. model
for _, other in ipairs(redis.call('ZRANGE', load_failed_key, '-inf', '(' .. now, 'BYSCORE')) do forget_failure(other) end
redis.call('ZREM', workers_key, member)
redis.pcall('HDEL', worker_versions_key, member)
redis.pcall('ZREM', standby_key, member)
forget_loading(worker, model)
redis.call('ZADD', load_failed_key, now + seconds, member)
redis.call('HSET', load_errors_key, member, why)
