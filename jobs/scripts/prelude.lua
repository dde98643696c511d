-- Put before every script: the clock, the keys, and the one place where a status moves.
-- ARGV[1] is the table of legal moves (jobs/schema.py), ARGV[2…] the script's own arguments.

local legal = cjson.decode(ARGV[1])

local function edit_key(id) return 'baret:edit:' .. id end
local function events_key(id) return 'baret:events:' .. id end
local function waiting_key(model) return 'baret:waiting:' .. model end
local function runs_key(model) return 'baret:runs:' .. model end -- ms that recent edits ran
local function in_flight_key(caller) return 'baret:in_flight:' .. caller end -- ids, queued or running
local function idempotency_key(name) return 'baret:idempotency:' .. name end
local running_key = 'baret:running' -- id → when its lease runs out, ms
local most_runs = 20 -- remembered a model
local due_key = 'baret:deliveries:due' -- delivery → when it is due, ms

-- Redis's own clock, so that leases do not depend on the workers' clocks.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function publish(id, kind, fields)
  redis.call('XADD', events_key(id), 'MAXLEN', '~', 1000, '*', 'type', kind, 'data', cjson.encode(fields))
end

local function enqueue_webhook(id, name, now)
  local url, wanted = unpack(redis.call('HMGET', edit_key(id), 'webhook_url', 'webhook_events'))
  if not url or url == '' then return end
  if not string.find(',' .. wanted .. ',', ',edit.' .. name .. ',', 1, true) then return end
  -- The id follows from the event, so however often it is enqueued a receiver sees one.
  local delivery = 'msg_' .. string.sub(id, 6) .. '_' .. name
  redis.call('HSET', 'baret:delivery:' .. delivery, 'edit', id, 'type', 'edit.' .. name, 'url', url,
    'created_ms', now, 'tries', 0)
  redis.call('ZADD', due_key, now, delivery)
end

-- Move an edit to another status, with everything that follows from it. Returns false where
-- the move is not legal.
local function move(id, to, fields)
  local key = edit_key(id)
  local from, model, caller = unpack(redis.call('HMGET', key, 'status', 'model', 'caller'))
  if from and not (legal[from] and legal[from][to]) then return false end
  local now = now_ms()
  redis.call('HSET', key, 'status', to, unpack(fields))
  redis.call('HINCRBY', key, 'version', 1)
  if to == 'queued' then
    redis.call('ZREM', running_key, id)
    redis.call('HSET', key, 'stage', '', 'progress', 0)
    redis.call('ZADD', waiting_key(model), redis.call('HGET', key, 'queued_ms'), id)
    publish(id, 'status', { status = to })
  elseif to == 'running' then
    redis.call('ZREM', waiting_key(model), id)
    redis.call('HSET', key, 'stage', 'loading', 'progress', 0, 'started_ms', now)
    publish(id, 'status', { status = to, stage = 'loading' })
    enqueue_webhook(id, 'started', now)
  else
    redis.call('ZREM', waiting_key(model), id)
    redis.call('ZREM', running_key, id)
    redis.call('SREM', in_flight_key(caller), id)
    redis.call('HSET', key, 'stage', '', 'completed_ms', now)
    if to == 'succeeded' then
      redis.call('HSET', key, 'progress', 1)
      redis.call('LPUSH', runs_key(model), now - redis.call('HGET', key, 'started_ms'))
      redis.call('LTRIM', runs_key(model), 0, most_runs - 1)
    end
    publish(id, 'done', { status = to })
    enqueue_webhook(id, to, now)
  end
  return true
end

-- Whether `token` is the attempt that holds the edit now.
local function holds(id, token)
  local status, attempt = unpack(redis.call('HMGET', edit_key(id), 'status', 'attempt'))
  return status == 'running' and attempt == token
end
