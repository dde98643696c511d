-- Announce that a worker consumes with a model loaded, and forget workers that went without a word.
-- worker, model, its announcement, s that it counts, version ('': unknown),
-- s from the worker's start until now ('': unknown), s that it took to load the model ('': unknown)
local worker, model, announcement, seconds, version, started_in, loaded_in = unpack(ARGV, 2)
local now = now_ms()
local member, until_s = worker .. ' ' .. model, now / 1000 + seconds
redis.call('HSET', models_key, model, announcement)
redis.call('ZADD', workers_key, until_s, member)
-- What follows only tells more of it: damage there must not take the model away.
redis.pcall('HSET', last_served_key, model, now)
if version ~= '' then redis.pcall('HSET', worker_versions_key, member, version) end
if started_in ~= '' then redis.pcall('HSET', cold_starts_key, model, started_in) end
if loaded_in ~= '' then redis.pcall('HSET', load_seconds_key, model, loaded_in) end
local gone = redis.call('ZRANGE', workers_key, '-inf', '(' .. now / 1000, 'BYSCORE', 'LIMIT', 0, 100)
for _, other in ipairs(gone) do
  redis.call('ZREM', workers_key, other)
  redis.pcall('HDEL', worker_versions_key, other)
end
redis.pcall('ZREM', standby_key, member)
forget_failure(member)
forget_loading(worker, model)
