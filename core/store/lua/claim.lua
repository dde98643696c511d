-- Give the edit whose turn it is to a worker, under a lease.
-- model, lease in ms → {id, attempt} | nil
local model, lease = unpack(ARGV, 2)

local function start(id)
  redis.call('HINCRBY', edit_key(id), 'attempt', 1)
  redis.call('ZADD', running_key, now_ms() + lease, id)
  return move(id, 'running', {})
end

repair_turns(model)
while true do
  local id, line = next_turn(model)
  if not id then return nil end
  if read(edit_key(id), 'status')[1] == 'queued' and guarded(start, running_key, id) then
    return { id, tonumber(redis.call('HGET', edit_key(id), 'attempt')) }
  end
  redis.call('ZREM', line, id)
  redis.call('ZREM', waiting_key(model), id)
end
