-- Accept an edit: record, place in the queue, listing and idempotency key in one move.
-- id, model, caller, submission, webhook_url, webhook_events, most that may wait,
-- most of the caller in flight (0: any), idempotency name ('': none), its token, ms to replay it,
-- work, ms that it is kept after its end, prefix of its picture's inversions
-- → 'ok' | 'full' | 'in_flight' | 'not_held'
local id, model, caller, submission, url, events, limit, in_flight, name, token, replay, work, keep,
  inversions = unpack(ARGV, 2)
-- Sent again because the answer was lost: it must not undo what has happened since.
if redis.call('EXISTS', edit_key(id)) == 1 then return 'ok' end
if name ~= '' and redis.call('HGET', idempotency_key(name), 'token') ~= token then return 'not_held' end
in_flight = tonumber(in_flight)
if in_flight > 0 and redis.call('SCARD', in_flight_key(caller)) >= in_flight then return 'in_flight' end
if redis.call('ZCARD', waiting_key(model)) >= tonumber(limit) then return 'full' end
redis.call('HSET', edit_key(id), 'model', model, 'caller', caller, 'submission', submission,
  'queued_ms', now_ms(), 'attempt', 0, 'webhook_url', url, 'webhook_events', events,
  'work', work, 'keep_ms', keep, 'inversions', inversions)
redis.call('ZREM', deletions_key, id) -- its picture is no longer one without an edit
redis.call('SADD', sharing_key(inversions), id)
move(id, 'queued', {})
redis.call('ZADD', listing_key(caller), 0, id)
redis.call('SADD', in_flight_key(caller), id)
if name ~= '' then
  redis.call('HSET', idempotency_key(name), 'edit', id)
  redis.call('PEXPIRE', idempotency_key(name), replay)
end
return 'ok'
