-- Stop batches that have reached their deadline, delete those whose time has come, and go on with requested
-- deletions. Safe to run from several housekeepers at once.
-- how many batches, how many edits of each to delete, ms until a worker has certainly stopped, ms that
-- running edits have to stop → {batch, …} that have expired
local limit, edits, grace_ms, stop_ms = unpack(ARGV, 2)
local now, expired = now_ms(), {}

local function expire(batch)
  local key = batch_key(batch)
  local status, deleted, total, succeeded, failed =
    unpack(redis.call('HMGET', key, 'status', 'deleted', 'total', 'completed', 'failed'))
  if deleted then
    erase_lines(batch, tonumber(edits), grace_ms)
  elseif status == 'in_progress' then
    redis.call('ZADD', batches_expiring_key, now + stop_ms, batch)
    stop_batch(batch, 'expired')
    table.insert(expired, batch)
  elseif status == 'canceling' then -- an edit of it has a damaged record, and will not end
    redis.call('HSET', key, 'canceled', number(total) - number(succeeded) - number(failed))
    finish_batch(batch, now)
  else
    drop_batch(batch, 'expired')
  end
end

for _, batch in ipairs(redis.call('ZRANGE', batches_expiring_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)) do
  guarded(expire, batches_expiring_key, batch)
end
return expired
