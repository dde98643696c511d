-- Return what the time until an edit's end follows from (core/store/estimates.py).
-- id → {now, place in the queue or -1, live workers, {'<ms> <work>' of recent runs, …},
--       {{work, progress, started in ms} of running edits, …},
--       {s that a worker takes to start, ms since one is loading, ms when one was last live: each or false,
--        live workers that would load the model, s that loading takes: or false}} | nil
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
local loading_since = false
for _, entry in ipairs(redis.pcall('ZRANGE', loading_key, now / 1000, '+inf', 'BYSCORE')) do
  local since, loaded = string.match(entry, '^%S+ (%d+) (.+)$')
  if loaded == model and not (loading_since and tonumber(loading_since) < tonumber(since)) then
    loading_since = since
  end
end
local standby = 0
for _, name in ipairs(redis.pcall('ZRANGE', standby_key, now / 1000, '+inf', 'BYSCORE')) do
  if string.match(name, '^%S+ (.+)$') == model then standby = standby + 1 end
end
local start = { read(cold_starts_key, model)[1] or false, loading_since, read(last_served_key, model)[1] or false,
  standby, read(load_seconds_key, model)[1] or false }
repair_turns(model)
return { now, position_of(id, model), workers, redis.call('LRANGE', runs_key(model), 0, -1), running, start }
