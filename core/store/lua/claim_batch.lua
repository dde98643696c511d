-- Claim the caller whose batch edits have been due longest. If the claim is not released within the lease,
-- they become due again.
-- lease in ms → {batch, how many edits of the caller's batches wait or run} | nil
local now = now_ms()
while true do
  local caller = redis.call('ZRANGE', batches_due_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1)[1]
  if not caller then return nil end
  local batch = redis.call('ZRANGE', open_batches_key(caller), 0, 0)[1]
  if not batch then
    redis.call('ZREM', batches_due_key, caller)
  elseif read(batch_key(batch), 'status')[1] ~= 'in_progress' then
    redis.call('ZREM', open_batches_key(caller), batch)
  else
    redis.call('ZADD', batches_due_key, now + ARGV[2], caller)
    return { batch, redis.call('SCARD', batch_edits_key(caller)) }
  end
end
