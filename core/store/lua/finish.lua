-- End an attempt, only if it still holds the edit.
-- id, token, status, result, error → 'ok' | 'stale'
local id, token, to, result, problem = unpack(ARGV, 2)
local status, attempt = unpack(redis.call('HMGET', edit_key(id), 'status', 'attempt'))
if status == to and attempt == token then return 'ok' end -- sent again: its answer was lost
if not holds(id, token) then return 'stale' end
move(id, to, { 'result', result, 'error', problem })
if result ~= '' then
  local model = redis.call('HGET', edit_key(id), 'model')
  for stage, seconds in pairs(cjson.decode(result).metrics.stage_seconds) do
    redis.call('HINCRBYFLOAT', stage_seconds_key, model .. ' ' .. stage, seconds)
  end
end
return 'ok'
