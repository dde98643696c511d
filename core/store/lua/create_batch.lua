-- Accept a batch, whose lines are stored: record, listing and idempotency key in one move.
-- batch, caller, prefix of its lines, how many it has, s until its deadline, bytes that its record takes,
-- bytes that the caller's records may take (0: any), how many batches may have edits to queue,
-- idempotency name ('': none), its token, ms to replay it, the fields of its record and their values
-- → 'ok' | 'not_held' | 'too_many' | 'over_quota'
local batch, caller, prefix, total, deadline_ms, bytes, max_bytes, max_open, name, token, replay_ms =
  unpack(ARGV, 2, 12)
local key = batch_key(batch)
-- Sent again because the answer was lost.
if redis.call('EXISTS', key) == 1 then return 'ok' end
if name ~= '' and redis.call('HGET', idempotency_key(name), 'token') ~= token then return 'not_held' end
if redis.call('ZCARD', open_batches_key(caller)) >= tonumber(max_open) then return 'too_many' end
if is_over(max_bytes, record_bytes_key, caller, bytes) then return 'over_quota' end
local now = now_ms()
redis.call('HSET', key, 'caller', caller, 'prefix', prefix, 'total', total, 'bytes', bytes, 'created_ms', now,
  'deadline_ms', now + deadline_ms, 'status', 'in_progress', 'next', 0, unpack(ARGV, 13))
add_bytes(record_bytes_key, caller, tonumber(bytes))
redis.call('ZREM', deletions_key, prefix) -- it belongs to a batch now
redis.call('ZADD', batches_key(caller), 0, batch)
redis.call('ZADD', open_batches_key(caller), 0, batch)
redis.call('ZADD', batches_due_key, 'NX', now, caller)
redis.call('ZADD', batches_expiring_key, now + deadline_ms, batch)
if name ~= '' then
  redis.call('HSET', idempotency_key(name), 'edit', batch)
  redis.call('HSET', key, 'idempotency', name)
  redis.call('PEXPIRE', idempotency_key(name), replay_ms)
end
return 'ok'
