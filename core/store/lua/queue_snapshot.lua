-- Return what the time until an edit's end follows from (core/store/estimates.py).
-- id → {now, place in the queue or -1, live workers, {'<ms> <work>' of recent runs, …},
--       {{work, progress, started in ms} of running edits, …}} | nil
local id = ARGV[2]
local model = redis.call('HGET', edit_key(id), 'model')
if not model then return nil end
local now = now_ms()
local workers = 0
for _, name in ipairs(redis.call('ZRANGE', workers_key, now / 1000, '+inf', 'BYSCORE')) do
  if string.sub(name, -#model - 1) == ' ' .. model then workers = workers + 1 end
end
local running = {}
for _, other in ipairs(redis.call('ZRANGE', running_key, 0, -1)) do
  local other_model, work, progress, started =
    unpack(redis.call('HMGET', edit_key(other), 'model', 'work', 'progress', 'started_ms'))
  if other_model == model and work then table.insert(running, { work, progress, started }) end
end
repair_turns(model)
local place = redis.call('ZRANK', turns_key(model), id) or -1
return { now, place, workers, redis.call('LRANGE', runs_key(model), 0, -1), running }
