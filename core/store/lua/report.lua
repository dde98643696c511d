-- Record an attempt's progress and renew its lease.
-- id, token, stage, progress, lease in ms, ms between two events at least, and between two webhooks
-- → 'ok' | 'cancel' | 'stale'
local id, token, stage, progress, lease, event_pause, webhook_pause = unpack(ARGV, 2)
if not holds(id, token) then return 'stale' end
local key = edit_key(id)
local now = now_ms()
redis.call('ZADD', running_key, now + lease, id)
if redis.call('HGET', key, 'cancel') then return 'cancel' end
if stage == '' then return 'ok' end -- a bare renewal
local old_stage, old_progress, last_event =
  unpack(redis.call('HMGET', key, 'stage', 'progress', 'event_ms'))
progress = math.max(tonumber(progress), tonumber(old_progress)) -- never falls within an attempt
redis.call('HSET', key, 'stage', stage, 'progress', progress)
redis.call('HINCRBY', key, 'version', 1)
if stage ~= old_stage or now - (tonumber(last_event) or 0) >= tonumber(event_pause) then
  redis.call('HSET', key, 'event_ms', now)
  publish(id, 'progress', { stage = stage, progress = progress })
end
enqueue_progress(id, now, tonumber(webhook_pause))
return 'ok'
