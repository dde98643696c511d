-- Announce that a live worker would load a model for edits that wait, or is loading it.
-- worker, model, its announcement, s that it counts, ms since it is loading ('': it is not)
local worker, model, announcement, seconds, since = unpack(ARGV, 2)
local now = now_ms() / 1000
local member = worker .. ' ' .. model
redis.call('HSET', models_key, model, announcement)
redis.call('ZREM', workers_key, member)
redis.call('ZREMRANGEBYSCORE', standby_key, '-inf', '(' .. now)
redis.call('ZADD', standby_key, now + seconds, member)
redis.pcall('HDEL', worker_versions_key, member)
forget_failure(member)
forget_loading(worker, model)
if since ~= '' then redis.pcall('ZADD', loading_key, now + seconds, worker .. ' ' .. since .. ' ' .. model) end
