-- Give the edit that has waited longest to a worker, under a lease.
-- model, lease in ms → {id, attempt} | nil
local model, lease = unpack(ARGV, 2)

local function start(id)
  redis.call('HINCRBY', edit_key(id), 'attempt', 1)
  redis.call('ZADD', running_key, now_ms() + lease, id)
  return move(id, 'running', {})
end

while true do
  local oldest = redis.call('ZPOPMIN', waiting_key(model))
  if #oldest == 0 then return nil end
  local id = oldest[1]
  if read(edit_key(id), 'status')[1] == 'queued' and guarded(start, running_key, id) then
    return { id, tonumber(redis.call('HGET', edit_key(id), 'attempt')) }
  end
end
