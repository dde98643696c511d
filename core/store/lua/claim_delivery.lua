-- Take the delivery that is due longest, of those to receivers and of callers that are not busy; it
-- is due again after the lease unless it is settled. A progress event is taken once, while its edit
-- runs.
-- lease in ms, busy receivers and callers (JSON object) → {delivery, {its fields…}, receiver} | nil
local lease, busy = ARGV[2], cjson.decode(ARGV[3])
local now = now_ms()
local page, pause = 100, 100 -- ms

local function is_busy(lane)
  local caller, receiver = string.match(lane, '^(%S*) (.+)$')
  return busy[caller or ''] or busy[receiver or lane]
end

-- A page full of busy ones goes behind those that are due now: however many there are, nobody waits
-- for them.
local function next_receiver()
  while true do
    local due = redis.call('ZRANGE', lanes_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, page)
    for _, receiver in ipairs(due) do
      if not is_busy(receiver) then return receiver end
    end
    if #due < page then return nil end
    for _, receiver in ipairs(due) do redis.call('ZADD', lanes_key, now + pause, receiver) end
  end
end

local function take_progress(delivery, receiver, fields, id)
  unschedule(delivery, receiver)
  redis.call('DEL', delivery_key(delivery))
  redis.call('HDEL', edit_key(id), 'hook_waits')
  if redis.call('HGET', edit_key(id), 'status') ~= 'running' then return nil end
  redis.call('HSET', edit_key(id), 'hook_ms', now)
  return { delivery, fields, receiver }
end

local function take(delivery, receiver, id, kind)
  if kind == 'edit.progress' then
    return take_progress(delivery, receiver, redis.call('HGETALL', delivery_key(delivery)), id)
  end
  schedule(delivery, receiver, now + lease)
  redis.call('HINCRBY', delivery_key(delivery), 'taken', 1)
  redis.call('HINCRBY', delivery_key(delivery), 'tries', 1)
  return { delivery, redis.call('HGETALL', delivery_key(delivery)), receiver }
end

-- What is damaged is dropped: it would be the next one for ever.
while true do
  local receiver = next_receiver()
  if not receiver then return nil end
  local lane = redis.pcall('ZRANGE', lane_key(receiver), 0, 0)
  if lane.err then redis.call('DEL', lane_key(receiver)) end
  local delivery = lane[1] or ''
  local id, kind = unpack(read(delivery_key(delivery), 'edit', 'type'))
  local done, taken = pcall(take, delivery, receiver, id, kind)
  if not (id and done) then
    unschedule(delivery, receiver)
    redis.call('DEL', delivery_key(delivery), delivery_attempts_key(delivery))
  elseif taken then
    return taken
  end
end
