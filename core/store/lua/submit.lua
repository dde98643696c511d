-- Accept an edit: record, place in the queue, listing and idempotency key in one move.
-- id, model, caller, submission, webhook_url, webhook_events, how many may wait,
-- how many of the caller may be in flight (0: any), idempotency name ('': none), its token, ms to
-- replay it, work, what of it is left if its inversion is reused, ms from its end until it expires, prefix of its image's inversions, prefix of its
-- photo, whether an earlier edit brought that ('1' | ''), bytes that the caller's records may take (0: any),
-- the caller's user ('': none), the user's token ('': none), labels, priority, the upload that its photo was
-- sent to ('': none), that upload's prefix, ms until its last request has certainly ended, the batch that it
-- belongs to ('': none), its line there
-- → 'ok' | 'full' | 'in_flight' | 'not_held' | 'no_source' | 'no_upload' | 'over_quota' | 'spent' | 'closed'
local id, model, caller, submission, url, events, max_waiting, max_in_flight, name, token, replay_ms,
  work, editing_work, keep_ms, inversions, photo, is_shared, max_bytes, user, user_token, labels, priority,
  upload, upload_prefix, upload_ms, batch, line = unpack(ARGV, 2)
-- Sent again because the answer was lost: it must not undo what has happened since.
if redis.call('EXISTS', edit_key(id)) == 1 then return 'ok' end
if name ~= '' and redis.call('HGET', idempotency_key(name), 'token') ~= token then return 'not_held' end
if batch ~= '' and not is_open(batch, line) then return 'closed' end
-- A token that has expired since its request began has no record any more, and no limit.
local edits_left = user_token ~= '' and redis.call('HGET', user_token_key(user_token), 'edits_left')
if edits_left and tonumber(edits_left) <= 0 then return 'spent' end
max_in_flight = tonumber(max_in_flight)
max_waiting = tonumber(max_waiting)
local own = redis.call('SCARD', in_flight_key(caller))
if max_in_flight > 0 and own >= max_in_flight then return 'in_flight' end
-- A full queue still has a place for a caller without edits in flight: others must not keep it out.
-- Nor do batch edits keep interactive ones out.
local waiting = redis.call('ZCARD', waiting_key(model))
if priority ~= 'batch' then waiting = waiting - redis.call('ZCARD', batch_turns_key(model)) end
local full = waiting >= max_waiting
if full and (own > 0 or max_waiting == 0) then return 'full' end
if is_shared ~= '' and redis.call('EXISTS', sharing_key(photo)) == 0 then return 'no_source' end
if upload ~= '' and redis.call('EXISTS', upload_key(upload)) == 0 then return 'no_upload' end
local bytes = #submission + record_overhead
if is_over(max_bytes, record_bytes_key, caller, bytes) then return 'over_quota' end
redis.call('HSET', edit_key(id), 'model', model, 'caller', caller, 'submission', submission,
  'queued_ms', now_ms(), 'attempt', 0, 'webhook_url', url, 'webhook_events', events,
  'work', work, 'editing_work', editing_work, 'keep_ms', keep_ms, 'inversions', inversions, 'photo', photo, 'labels', labels)
if priority == 'batch' then redis.call('HSET', edit_key(id), 'priority', priority) end
grow_record(id, caller, bytes)
redis.call('ZREM', deletions_key, photo) -- it belongs to an edit now
redis.call('SADD', sharing_key(photo), id)
redis.call('SADD', sharing_key(inversions), id)
move(id, 'queued', {})
redis.call('ZADD', listing_key(caller), 0, id)
if user ~= '' then
  redis.call('HSET', edit_key(id), 'user', user)
  redis.call('ZADD', listing_key(owner_of(caller, user)), 0, id)
end
if edits_left then redis.call('HINCRBY', user_token_key(user_token), 'edits_left', -1) end
redis.call('SADD', in_flight_key(caller), id)
if batch ~= '' then
  redis.call('HSET', edit_key(id), 'batch', batch)
  redis.call('SADD', batch_edits_key(caller), id)
  note_line(batch, caller, line, id)
end
if upload ~= '' then
  -- Until its URL expires, the store itself would take an image at it again.
  local is_direct = redis.call('HGET', upload_key(upload), 'is_direct') == '1'
  if not is_direct then redis.call('ZADD', deletions_key, now_ms() + upload_ms, upload_prefix) end
  redis.call('DEL', upload_key(upload))
end
if name ~= '' then
  redis.call('HSET', idempotency_key(name), 'edit', id)
  redis.call('HSET', edit_key(id), 'idempotency', name)
  redis.call('PEXPIRE', idempotency_key(name), replay_ms)
end
return 'ok'
