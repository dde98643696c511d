-- Note how far an attempt has come and renew its lease.
-- id, token, stage, progress, lease in ms, least ms between two events, and between two webhooks
-- → 'ok' | 'cancel' | 'stale'
local id, token, stage, progress, lease, pause, hook_pause = unpack(ARGV, 2)
if not holds(id, token) then return 'stale' end
local key = edit_key(id)
local now = now_ms()
redis.call('ZADD', running_key, now + lease, id)
if redis.call('HGET', key, 'cancel') then return 'cancel' end
if stage == '' then return 'ok' end -- a bare renewal
local was_stage, was, last = unpack(redis.call('HMGET', key, 'stage', 'progress', 'event_ms'))
progress = math.max(tonumber(progress), tonumber(was)) -- never falls within an attempt
redis.call('HSET', key, 'stage', stage, 'progress', progress)
redis.call('HINCRBY', key, 'version', 1)
if stage ~= was_stage or now - (tonumber(last) or 0) >= tonumber(pause) then
  redis.call('HSET', key, 'event_ms', now)
  publish(id, 'progress', { stage = stage, progress = progress })
end
enqueue_progress(id, now, tonumber(hook_pause))
return 'ok'
