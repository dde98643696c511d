-- Withdraw everything that a worker has announced of a model.
-- worker, model
local worker, model = unpack(ARGV, 2)
local member = worker .. ' ' .. model
redis.call('ZREM', workers_key, member)
redis.pcall('HDEL', worker_versions_key, member)
redis.pcall('ZREM', standby_key, member)
forget_failure(member)
forget_loading(worker, model)
