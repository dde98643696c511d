-- Take the delivery that is due longest, of those to receivers that are not busy; it is due again
-- after the lease unless it is settled. A progress event is taken once, while its edit runs.
-- lease in ms, busy receivers (JSON object), how many → {delivery, its fields…} | nil
local lease, busy, count = ARGV[2], cjson.decode(ARGV[3]), tonumber(ARGV[4])
local now = now_ms()

local function next_receiver()
  local due = redis.call('ZRANGE', lanes_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, count + 1)
  for _, receiver in ipairs(due) do
    if not busy[receiver] then return receiver end
  end
end

local function take_progress(delivery, receiver, fields, id)
  unschedule(delivery, receiver)
  redis.call('DEL', delivery_key(delivery))
  redis.call('HDEL', edit_key(id), 'hook_waits')
  if redis.call('HGET', edit_key(id), 'status') ~= 'running' then return nil end
  redis.call('HSET', edit_key(id), 'hook_ms', now)
  return { delivery, fields }
end

while true do
  local receiver = next_receiver()
  if not receiver then return nil end
  local delivery = redis.call('ZRANGE', lane_key(receiver), 0, 0)[1]
  local key = delivery_key(delivery)
  local id, kind = unpack(redis.call('HMGET', key, 'edit', 'type'))
  if not id then
    unschedule(delivery, receiver)
  elseif kind == 'edit.progress' then
    local taken = take_progress(delivery, receiver, redis.call('HGETALL', key), id)
    if taken then return taken end
  else
    schedule(delivery, receiver, now + lease)
    redis.call('HINCRBY', key, 'taken', 1)
    redis.call('HINCRBY', key, 'tries', 1)
    return { delivery, redis.call('HGETALL', key) }
  end
end
