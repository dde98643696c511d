-- How many edits of a batch have ended, and its end. Put before every script, like turns.lua.

local count_of = { succeeded = 'completed', failed = 'failed', canceled = 'canceled' }

-- End a batch if all its lines have ended, and remember it for as long as its edits.
local function finish_batch(batch, now)
  local key = batch_key(batch)
  local caller, status, ending, total, succeeded, failed, canceled, keep_ms, url = unpack(redis.call('HMGET', key,
    'caller', 'status', 'ending', 'total', 'completed', 'failed', 'canceled', 'keep_ms', 'webhook_url'))
  if status ~= 'in_progress' and status ~= 'canceling' then return end
  if number(succeeded) + number(failed) + number(canceled) < number(total) then return end
  local to = status == 'canceling' and ending or 'completed'
  redis.call('HSET', key, 'status', to, 'completed_ms', now, 'expires_ms', now + keep_ms)
  redis.call('HDEL', key, 'blocked')
  redis.call('ZREM', open_batches_key(caller), batch)
  redis.call('ZADD', batches_expiring_key, now + keep_ms, batch)
  if url and url ~= '' then enqueue(delivery_id(batch, to), batch, caller, 'batch.' .. to, url, now, now) end
end

-- Count a line of a batch that has ended.
local function count_line(batch, count, now)
  if redis.call('EXISTS', batch_key(batch)) == 0 then return end
  redis.call('HINCRBY', batch_key(batch), count, 1)
  finish_batch(batch, now)
end

-- Count an edit of a batch that has ended.
local function count_edit(batch, id, caller, status, now)
  redis.call('SREM', batch_edits_key(caller), id)
  count_line(batch, count_of[status], now)
end
