-- Put before every script: the clock, and the one place where a status moves. The names of keys
-- (`edit_key(id)`, `running_key`, …) are put before it in turn, from core/store/keys.py.
-- ARGV[1] is the table of legal moves (core/schema/status.py), ARGV[2…] the script's arguments.

local legal = cjson.decode(ARGV[1])

local most_runs = 32 -- remembered a model
local farewell_seconds = 60 -- that the events of an edit outlive it, for those who follow it

-- Redis's own clock, so that leases do not depend on the workers' clocks.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Fields of a hash; none where something else has its name.
local function read(key, ...)
  local found = redis.pcall('HMGET', key, ...)
  return found.err and {} or found
end

local function publish(id, kind, fields)
  redis.call('XADD', events_key(id), 'MAXLEN', '~', 1000, '*', 'type', kind, 'data', cjson.encode(fields))
end

-- The id follows from the event, so however often it is enqueued a receiver sees one.
local function delivery_id(id, name) return 'msg_' .. string.sub(id, 6) .. '_' .. name end

local function keep_lane(receiver)
  local first = redis.call('ZRANGE', lane_key(receiver), 0, 0, 'WITHSCORES')
  if #first == 0 then
    redis.call('ZREM', lanes_key, receiver)
  else
    redis.call('ZADD', lanes_key, first[2], receiver)
  end
end

local function schedule(delivery, receiver, at)
  redis.call('ZADD', lane_key(receiver), at, delivery)
  keep_lane(receiver)
end

local function unschedule(delivery, receiver)
  redis.call('ZREM', lane_key(receiver), delivery)
  keep_lane(receiver)
end

local function webhook_for(id, name)
  local url, wanted = unpack(redis.call('HMGET', edit_key(id), 'webhook_url', 'webhook_events'))
  if not url or url == '' then return nil end
  if not string.find(',' .. wanted .. ',', ',edit.' .. name .. ',', 1, true) then return nil end
  return url
end

local function enqueue(delivery, id, name, url, now, at)
  -- Sent again after a lost worker, an event is the one that was sent before.
  if redis.call('EXISTS', delivery_key(delivery)) == 1 then return end
  local receiver = string.lower(string.match(url, '^[^:]+://[^/?#]+') or url)
  receiver = (redis.call('HGET', edit_key(id), 'caller') or '') .. ' ' .. receiver
  redis.call('HSET', delivery_key(delivery), 'edit', id, 'type', 'edit.' .. name, 'url', url,
    'receiver', receiver, 'created_ms', now, 'status', 'pending', 'tries', 0, 'taken', 0)
  schedule(delivery, receiver, at)
end

local function enqueue_webhook(id, name, now)
  local url = webhook_for(id, name)
  if url then enqueue(delivery_id(id, name), id, name, url, now, now) end
end

-- One progress webhook of an edit waits at a time: it tells what is true when it is sent.
local function enqueue_progress(id, now, pause)
  local url = webhook_for(id, 'progress')
  if not url or redis.call('HGET', edit_key(id), 'hook_waits') then return end
  local version, sent = unpack(redis.call('HMGET', edit_key(id), 'version', 'hook_ms'))
  local delivery = delivery_id(id, 'progress') .. '_' .. version
  redis.call('HSET', edit_key(id), 'hook_waits', delivery)
  enqueue(delivery, id, 'progress', url, now, math.max(now, (tonumber(sent) or 0) + pause))
end

local function forget_delivery(delivery)
  local receiver = redis.call('HGET', delivery_key(delivery), 'receiver')
  if receiver then unschedule(delivery, receiver) end
  redis.call('DEL', delivery_key(delivery), delivery_attempts_key(delivery))
end

-- Remember what a run took, for the time that others will take.
local function note_run(key, model, now)
  local started, work = unpack(redis.call('HMGET', key, 'started_ms', 'work'))
  if not (started and work) then return end
  redis.call('LPUSH', runs_key(model), (now - started) .. ' ' .. work)
  redis.call('LTRIM', runs_key(model), 0, most_runs - 1)
end

local function note_expiry(id, now)
  local keep = redis.call('HGET', edit_key(id), 'keep_ms')
  if not keep then return end
  redis.call('HSET', edit_key(id), 'expires_ms', now + keep)
  redis.call('ZADD', expiring_key, now + keep, id)
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
    note_expiry(id, now)
    redis.call('HINCRBY', ended_key, model .. ' ' .. to, 1)
    if to == 'succeeded' then
      redis.call('HSET', key, 'progress', 1)
      note_run(key, model, now)
    end
    publish(id, 'done', { status = to })
    enqueue_webhook(id, to, now)
  end
  return true
end

-- Do something to an edit that a round comes by; where its record is damaged, see to it that no
-- round comes by again.
local function guarded(change, key_of_round, id, ...)
  local done, outcome = pcall(change, id, ...)
  if done and outcome ~= false then return true end
  redis.call('ZREM', key_of_round, id)
  return false
end

-- Whether `token` is the attempt that holds the edit now.
local function holds(id, token)
  local status, attempt = unpack(redis.call('HMGET', edit_key(id), 'status', 'attempt'))
  return status == 'running' and attempt == token
end

-- Forget an edit with all that hangs on it. Its pictures, and the inversions of its photo where no
-- other edit shares them, are left to whoever takes them from `deletions_key`, which is due at a
-- time that leaves no worker writing them.
local function erase(id, due)
  local key = edit_key(id)
  local model, caller, inversions = unpack(redis.call('HMGET', key, 'model', 'caller', 'inversions'))
  for _, name in ipairs({ 'started', 'succeeded', 'failed', 'canceled' }) do
    forget_delivery(delivery_id(id, name))
  end
  local waits = redis.call('HGET', key, 'hook_waits')
  if waits then forget_delivery(waits) end
  redis.call('ZREM', waiting_key(model), id)
  redis.call('ZREM', running_key, id)
  redis.call('ZREM', expiring_key, id)
  redis.call('ZREM', listing_key(caller), id)
  redis.call('DEL', key)
  redis.call('EXPIRE', events_key(id), farewell_seconds)
  redis.call('ZADD', deletions_key, due, id)
  if not inversions then return end -- a record from before they were noted
  redis.call('SREM', sharing_key(inversions), id)
  if redis.call('EXISTS', sharing_key(inversions)) == 0 then
    redis.call('ZADD', deletions_key, due, inversions)
  end
end
