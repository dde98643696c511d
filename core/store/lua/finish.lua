-- End an attempt, only if it still holds the edit.
-- id, token, status, result, error → 'ok' | 'stale'
local id, token, to, result, problem = unpack(ARGV, 2)
local status, attempt = unpack(redis.call('HMGET', edit_key(id), 'status', 'attempt'))
if status == to and attempt == token then return 'ok' end -- sent again: its answer was lost
if not holds(id, token) then return 'stale' end
local made = result ~= '' and cjson.decode(result)
if made and made.metrics.inversion_reused then
  -- Estimates are made from its time, and it did a part of its work alone.
  local work = redis.call('HGET', edit_key(id), 'editing_work')
  if work then redis.call('HSET', edit_key(id), 'work', work) end
end
move(id, to, { 'result', result, 'error', problem })
if made then
  local model, caller = unpack(redis.call('HMGET', edit_key(id), 'model', 'caller'))
  local bytes = 0
  for stage, seconds in pairs(made.metrics.stage_seconds) do
    redis.call('HINCRBYFLOAT', stage_seconds_key, model .. ' ' .. stage, seconds)
  end
  for _, images in ipairs({ made.outputs, made.artifacts }) do
    for _, image in pairs(images) do bytes = bytes + image.bytes end
  end
  note_images(id, caller, bytes)
end
return 'ok'
