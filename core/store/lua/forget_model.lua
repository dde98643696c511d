-- Forget a model that nothing uses any more, with what was measured of it.
-- model → 'forgotten' | 'unknown' | 'served' | 'waited for'
local model = ARGV[2]
if redis.call('HEXISTS', models_key, model) == 0 then return 'unknown' end
local now = now_ms() / 1000
local announced = { [workers_key] = '^%S+ (.+)$', [standby_key] = '^%S+ (.+)$', [loading_key] = '^%S+ %d+ (.+)$' }
for key, pattern in pairs(announced) do
  for _, entry in ipairs(redis.call('ZRANGE', key, now, '+inf', 'BYSCORE')) do
    if string.match(entry, pattern) == model then return 'served' end
  end
end
if redis.call('ZCARD', waiting_key(model)) > 0 then return 'waited for' end
for _, id in ipairs(redis.call('ZRANGE', running_key, 0, -1)) do
  if read(edit_key(id), 'model')[1] == model then return 'waited for' end
end
redis.call('HDEL', models_key, model)
redis.call('HDEL', last_served_key, model)
redis.call('HDEL', cold_starts_key, model)
redis.call('HDEL', load_seconds_key, model)
for _, key in ipairs({ turn_clocks_key, batch_turn_clocks_key, in_a_row_key }) do redis.call('HDEL', key, model) end
for _, key in ipairs({ turns_key(model), batch_turns_key(model) }) do redis.call('DEL', key) end
redis.call('DEL', runs_key(model), turn_ends_key(model), batch_turn_ends_key(model))
return 'forgotten'
