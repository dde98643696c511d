-- Accept an edit: record, place in the queue, listing and idempotency key in one move.
-- id, model, caller, submission, webhook_url, webhook_events, how many may wait,
-- how many of the caller may be in flight (0: any), idempotency name ('': none), its token, ms to
-- replay it, work, ms from its end until it expires, prefix of its image's inversions, labels
-- → 'ok' | 'full' | 'in_flight' | 'not_held'
local id, model, caller, submission, url, events, max_waiting, max_in_flight, name, token, replay_ms,
  work, keep_ms, inversions, labels = unpack(ARGV, 2)
-- Sent again because the answer was lost: it must not undo what has happened since.
if redis.call('EXISTS', edit_key(id)) == 1 then return 'ok' end
if name ~= '' and redis.call('HGET', idempotency_key(name), 'token') ~= token then return 'not_held' end
max_in_flight = tonumber(max_in_flight)
if max_in_flight > 0 and redis.call('SCARD', in_flight_key(caller)) >= max_in_flight then
  return 'in_flight'
end
if redis.call('ZCARD', waiting_key(model)) >= tonumber(max_waiting) then return 'full' end
redis.call('HSET', edit_key(id), 'model', model, 'caller', caller, 'submission', submission,
  'queued_ms', now_ms(), 'attempt', 0, 'webhook_url', url, 'webhook_events', events,
  'work', work, 'keep_ms', keep_ms, 'inversions', inversions,
  'labels', labels)
redis.call('ZREM', deletions_key, id) -- its image belongs to an edit now
redis.call('SADD', sharing_key(inversions), id)
move(id, 'queued', {})
redis.call('ZADD', listing_key(caller), 0, id)
redis.call('SADD', in_flight_key(caller), id)
if name ~= '' then
  redis.call('HSET', idempotency_key(name), 'edit', id)
  redis.call('PEXPIRE', idempotency_key(name), replay_ms)
end
return 'ok'
