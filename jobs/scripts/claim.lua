-- Give the edit that has waited longest to a worker, under a lease.
-- model, lease in ms → {id, attempt} | nil
local model, lease = unpack(ARGV, 2)
while true do
  local oldest = redis.call('ZPOPMIN', waiting_key(model))
  if #oldest == 0 then return nil end
  local id = oldest[1]
  if redis.call('HGET', edit_key(id), 'status') == 'queued' then
    local attempt = redis.call('HINCRBY', edit_key(id), 'attempt', 1)
    redis.call('ZADD', running_key, now_ms() + lease, id)
    move(id, 'running', {})
    return { id, attempt }
  end
end
