-- The clock, and the deliveries of webhooks. Put before every script, like turns.lua.

-- Redis's own clock, so that leases do not depend on the workers' clocks.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Return fields of a hash; none if the key holds something else.
local function read(key, ...)
  local fields = redis.pcall('HMGET', key, ...)
  return fields.err and {} or fields
end

-- The id follows from the event: however often it is enqueued, a receiver sees one id.
local function delivery_id(id, name) return 'msg_' .. string.match(id, '_(.+)$') .. '_' .. name end

-- A lane is due when its first delivery is.
local function update_lane(lane)
  local first = redis.call('ZRANGE', lane_key(lane), 0, 0, 'WITHSCORES')
  if #first == 0 then
    redis.call('ZREM', lanes_key, lane)
  else
    redis.call('ZADD', lanes_key, first[2], lane)
  end
end

local function schedule(delivery, lane, at)
  redis.call('ZADD', lane_key(lane), at, delivery)
  update_lane(lane)
end

local function unschedule(delivery, lane)
  redis.call('ZREM', lane_key(lane), delivery)
  update_lane(lane)
end

-- Make a delivery of an edit's or a batch's event due. In its hash, `edit` is the id of either.
local function enqueue(delivery, id, caller, event, url, now, at)
  -- After a lost worker the same event comes again: it was enqueued before.
  if redis.call('EXISTS', delivery_key(delivery)) == 1 then return end
  local receiver = string.lower(string.match(url, '^[^:]+://[^/?#]+') or url)
  local lane = (caller or '') .. ' ' .. receiver
  redis.call('HSET', delivery_key(delivery), 'edit', id, 'type', event, 'url', url,
    'receiver', lane, 'created_ms', now, 'status', 'pending', 'tries', 0, 'taken', 0)
  schedule(delivery, lane, at)
end

local function delete_delivery(delivery)
  local lane = redis.call('HGET', delivery_key(delivery), 'receiver')
  if lane then unschedule(delivery, lane) end
  redis.call('DEL', delivery_key(delivery), delivery_attempts_key(delivery))
end
