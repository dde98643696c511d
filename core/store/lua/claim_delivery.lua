-- Claim the delivery that has been due longest, of those whose receiver and caller are not busy. If
-- it is not settled within the lease, it becomes due again. A progress event is claimed once, while
-- its edit runs.
-- lease in ms, busy receivers and callers (JSON object) → {delivery, {its fields…}, lane} | nil
local lease, busy = ARGV[2], cjson.decode(ARGV[3])
local now = now_ms()
local page, pause = 100, 100 -- ms

local function is_busy(lane)
  local caller, receiver = string.match(lane, '^(%S*) (.+)$')
  return busy[caller or ''] or busy[receiver or lane]
end

-- A page full of busy lanes goes behind those that are due now: however many there are, the others
-- do not wait for them.
local function next_lane()
  while true do
    local due = redis.call('ZRANGE', lanes_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, page)
    for _, lane in ipairs(due) do
      if not is_busy(lane) then return lane end
    end
    if #due < page then return nil end
    for _, lane in ipairs(due) do redis.call('ZADD', lanes_key, now + pause, lane) end
  end
end

local function claim_progress(delivery, lane, fields, id)
  unschedule(delivery, lane)
  redis.call('DEL', delivery_key(delivery))
  redis.call('HDEL', edit_key(id), 'hook_waits')
  if redis.call('HGET', edit_key(id), 'status') ~= 'running' then return nil end
  redis.call('HSET', edit_key(id), 'hook_ms', now)
  return { delivery, fields, lane }
end

local function claim(delivery, lane, id, event)
  if event == 'edit.progress' then
    return claim_progress(delivery, lane, redis.call('HGETALL', delivery_key(delivery)), id)
  end
  schedule(delivery, lane, now + lease)
  redis.call('HINCRBY', delivery_key(delivery), 'taken', 1)
  redis.call('HINCRBY', delivery_key(delivery), 'tries', 1)
  return { delivery, redis.call('HGETALL', delivery_key(delivery)), lane }
end

-- A damaged delivery is dropped: otherwise it would be the next one forever.
while true do
  local lane = next_lane()
  if not lane then return nil end
  local first = redis.pcall('ZRANGE', lane_key(lane), 0, 0)
  if first.err then redis.call('DEL', lane_key(lane)) end
  local delivery = first[1] or ''
  local id, event = unpack(read(delivery_key(delivery), 'edit', 'type'))
  local succeeded, claimed = pcall(claim, delivery, lane, id, event)
  if not (id and succeeded) then
    unschedule(delivery, lane)
    redis.call('DEL', delivery_key(delivery), delivery_attempts_key(delivery))
  elseif claimed then
    return claimed
  end
end
