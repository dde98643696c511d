-- Accept an edit: record, place in the queue and listing in one move.
-- id, model, caller, submission, webhook_url, webhook_events, most that may wait → 'ok' | 'full'
local id, model, caller, submission, url, events, limit = unpack(ARGV, 2)
-- Sent again because the answer was lost: it must not undo what has happened since.
if redis.call('EXISTS', edit_key(id)) == 1 then return 'ok' end
if redis.call('ZCARD', waiting_key(model)) >= tonumber(limit) then return 'full' end
redis.call('HSET', edit_key(id), 'model', model, 'caller', caller, 'submission', submission,
  'queued_ms', now_ms(), 'attempt', 0, 'webhook_url', url, 'webhook_events', events)
move(id, 'queued', {})
redis.call('ZADD', 'baret:edits:' .. caller, 0, id)
return 'ok'
