-- Put before every script: the one place where a status moves. Before it come the names of keys
-- (`edit_key(id)`, `running_key`, …), from core/store/keys.py, then turns.lua, quotas.lua, deliveries.lua
-- and batch_counts.lua; after it comes batches.lua.
-- ARGV[1] is the table of legal moves (core/schema/status.py), ARGV[2…] the script's arguments.

local legal = cjson.decode(ARGV[1])

local max_runs = 32 -- remembered per model
local event_ttl_seconds = 60 -- that an edit's last event outlives it, for its followers

-- Return the owner of an edit, as `owner_of` of core/schema/record.py.
local function owner_of(caller, user) return user and caller .. ' ' .. user or caller end

-- Forget that a worker could not load a model; `member` is `<worker> <model>`.
local function forget_failure(member)
  redis.pcall('ZREM', load_failed_key, member)
  redis.pcall('HDEL', load_errors_key, member)
end

-- Forget that a worker loads a model.
local function forget_loading(worker, model)
  for _, entry in ipairs(redis.pcall('ZRANGE', loading_key, 0, -1)) do
    local name, loaded = string.match(entry, '^(%S+) %d+ (.+)$')
    if name == worker and loaded == model then redis.call('ZREM', loading_key, entry) end
  end
end

local function publish(id, kind, fields)
  redis.call('XADD', events_key(id), 'MAXLEN', '~', 1000, '*', 'type', kind, 'data', cjson.encode(fields))
end

local function webhook_for(id, name)
  local url, events = unpack(redis.call('HMGET', edit_key(id), 'webhook_url', 'webhook_events'))
  if not url or url == '' then return nil end
  if not string.find(',' .. events .. ',', ',edit.' .. name .. ',', 1, true) then return nil end
  return url
end

local function enqueue_event(delivery, id, name, url, now, at)
  enqueue(delivery, id, redis.call('HGET', edit_key(id), 'caller'), 'edit.' .. name, url, now, at)
end

local function enqueue_webhook(id, name, now)
  local url = webhook_for(id, name)
  if url then enqueue_event(delivery_id(id, name), id, name, url, now, now) end
end

-- Only one progress webhook of an edit waits at a time: its body is made when it is sent.
local function enqueue_progress(id, now, pause)
  local url = webhook_for(id, 'progress')
  if not url or redis.call('HGET', edit_key(id), 'hook_waits') then return end
  local version, sent = unpack(redis.call('HMGET', edit_key(id), 'version', 'hook_ms'))
  local delivery = delivery_id(id, 'progress') .. '_' .. version
  redis.call('HSET', edit_key(id), 'hook_waits', delivery)
  enqueue_event(delivery, id, 'progress', url, now, math.max(now, (tonumber(sent) or 0) + pause))
end

-- Remember what a run took: later estimates are made from it.
local function record_run(key, model, now)
  local started, work = unpack(redis.call('HMGET', key, 'started_ms', 'work'))
  if not (started and work) then return end
  redis.call('LPUSH', runs_key(model), (now - started) .. ' ' .. work)
  redis.call('LTRIM', runs_key(model), 0, max_runs - 1)
end

local function schedule_expiry(id, now)
  local keep_ms = redis.call('HGET', edit_key(id), 'keep_ms')
  if not keep_ms then return end
  redis.call('HSET', edit_key(id), 'expires_ms', now + keep_ms)
  redis.call('ZADD', expiring_key, now + keep_ms, id)
end

-- Make stored images due for deletion if no edit shares them any more. Return whether it did.
local function release(id, prefix, due)
  redis.call('SREM', sharing_key(prefix), id)
  if redis.call('EXISTS', sharing_key(prefix)) == 1 then return false end
  redis.call('ZADD', deletions_key, due, prefix)
  return true
end

-- Delete what an edit that ends without images no longer needs: the photo if it never ran, and images
-- of attempts. The images of old records, from before their photos were apart, stay until they expire.
local function drop_images(id, from, now)
  local photo = redis.call('HGET', edit_key(id), 'photo')
  if not photo then return end
  if from == 'queued' then release(id, photo, now) end
  if (tonumber(redis.call('HGET', edit_key(id), 'attempt')) or 1) > 0 then
    redis.call('ZADD', deletions_key, now, id)
  end
end

-- Move an edit to another status, with everything that follows from it. Return false if the move is
-- not legal.
local function move(id, to, fields)
  local key = edit_key(id)
  local from, model, caller, work, batch =
    unpack(redis.call('HMGET', key, 'status', 'model', 'caller', 'work', 'batch'))
  if from and not (legal[from] and legal[from][to]) then return false end
  local now = now_ms()
  redis.call('HSET', key, 'status', to, unpack(fields))
  redis.call('HINCRBY', key, 'version', 1)
  if to == 'queued' then
    redis.call('ZREM', running_key, id)
    redis.call('HSET', key, 'stage', '', 'progress', 0)
    redis.call('ZADD', waiting_key(model), redis.call('HGET', key, 'queued_ms'), id)
    if from then retake_turn(id, model) else take_turn(id, model, caller, work) end
    publish(id, 'status', { status = to })
  elseif to == 'running' then
    redis.call('ZREM', waiting_key(model), id)
    use_turn(id, model)
    redis.call('HSET', key, 'stage', 'loading', 'progress', 0, 'started_ms', now)
    publish(id, 'status', { status = to, stage = 'loading' })
    enqueue_webhook(id, 'started', now)
  else
    redis.call('ZREM', waiting_key(model), id)
    redis.call('ZREM', running_key, id)
    redis.call('SREM', in_flight_key(caller), id)
    if from == 'queued' then give_turn_back(id, model, caller, work) end
    redis.call('HSET', key, 'stage', '', 'completed_ms', now)
    schedule_expiry(id, now)
    redis.call('HINCRBY', ended_key, model .. ' ' .. to, 1)
    if to == 'succeeded' then
      redis.call('HSET', key, 'progress', 1)
      record_run(key, model, now)
    else
      drop_images(id, from, now)
    end
    publish(id, 'done', { status = to })
    enqueue_webhook(id, to, now)
    if batch then count_edit(batch, id, caller, to, now) end
  end
  return true
end

-- Change one edit of a sorted set. If its record is damaged, remove it from the set, so that it does
-- not come up again, and return false.
local function guarded(change, set_key, id, ...)
  local succeeded, outcome = pcall(change, id, ...)
  if succeeded and outcome ~= false then return true end
  redis.call('ZREM', set_key, id)
  return false
end

-- Return whether `token` is the attempt that holds the edit now.
local function holds(id, token)
  local status, attempt = unpack(redis.call('HMGET', edit_key(id), 'status', 'attempt'))
  return status == 'running' and attempt == token
end

-- Leave nothing of a request under its idempotency key but that its edit is gone: what a repetition
-- needs to know, until the key's own time is over.
local function bury(name, gone)
  local key = idempotency_key(name)
  if redis.call('EXISTS', key) == 0 then return end
  -- First: an empty hash would lose its end. A damaged key does not keep the edit.
  redis.pcall('HSET', key, 'gone', gone)
  redis.pcall('HDEL', key, 'body', 'token', 'edit', 'reply', 'answer')
end

-- Delete an edit with everything that belongs to it. Its images, and its photo and the photo's
-- inversions unless another edit shares them, become due for deletion at a time when no worker can
-- write them. Of its events the last one stays for a while, so that followers learn of the end.
-- Return the prefixes of what is to be deleted.
local function erase(id, due, gone)
  local key = edit_key(id)
  local model, caller, inversions, photo, user, name =
    unpack(redis.call('HMGET', key, 'model', 'caller', 'inversions', 'photo', 'user', 'idempotency'))
  if name then bury(name, gone) end
  for _, name in ipairs({ 'started', 'succeeded', 'failed', 'canceled' }) do
    delete_delivery(delivery_id(id, name))
  end
  local progress = redis.call('HGET', key, 'hook_waits')
  if progress then delete_delivery(progress) end
  redis.call('ZREM', waiting_key(model), id)
  redis.call('ZREM', turns_key(model), id)
  redis.call('ZREM', batch_turns_key(model), id)
  redis.call('ZREM', running_key, id)
  redis.call('ZREM', expiring_key, id)
  redis.call('ZREM', listing_key(caller), id)
  if user then redis.call('ZREM', listing_key(owner_of(caller, user)), id) end
  forget_record(id, caller)
  redis.call('DEL', key)
  redis.call('XTRIM', events_key(id), 'MAXLEN', 1)
  redis.call('EXPIRE', events_key(id), event_ttl_seconds)
  redis.call('ZADD', deletions_key, due, id)
  local prefixes = { id }
  for _, shared in ipairs({ photo or '', inversions or '' }) do -- old records lack them
    if shared ~= '' and release(id, shared, due) then table.insert(prefixes, shared) end
  end
  return prefixes
end
