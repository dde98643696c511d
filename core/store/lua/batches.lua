-- The lines of batches: which take an edit, which have one, and the end of a batch before its last line.
-- Put before every script, after prelude.lua.

-- Return whether a line of a batch has neither an edit nor a problem yet, and may get one.
local function is_open(batch, line)
  return redis.call('HGET', batch_key(batch), 'status') == 'in_progress'
    and redis.call('HEXISTS', batch_lines_key(batch), line) == 0
end

-- Note what a line of a batch has become: an edit, or a problem.
local function note_line(batch, caller, line, outcome)
  local key, lines = batch_key(batch), batch_lines_key(batch)
  redis.call('HSET', lines, line, outcome)
  redis.call('HSETNX', key, 'started_ms', now_ms())
  redis.call('HDEL', key, 'blocked')
  local first = number(redis.call('HGET', key, 'next'))
  while redis.call('HEXISTS', lines, first) == 1 do first = first + 1 end
  redis.call('HSET', key, 'next', first)
  if first == number(redis.call('HGET', key, 'total')) then redis.call('ZREM', open_batches_key(caller), batch) end
end

-- Cancel a queued edit at once; ask a running one to stop at its next UNet call. Return its status before.
local function cancel_edit(id)
  local status = redis.call('HGET', edit_key(id), 'status')
  if status == 'queued' then
    move(id, 'canceled', {})
  elseif status == 'running' then
    redis.call('HSET', edit_key(id), 'cancel', 1)
  end
  return status
end

-- End a batch before its last line: `ending` is what it becomes once its running edits have stopped.
local function stop_batch(batch, ending)
  local key, now = batch_key(batch), now_ms()
  local caller, status, total = unpack(redis.call('HMGET', key, 'caller', 'status', 'total'))
  if status ~= 'in_progress' then return end
  local unqueued = number(total) - redis.call('HLEN', batch_lines_key(batch))
  redis.call('HSET', key, 'status', 'canceling', 'ending', ending, 'canceling_ms', now)
  redis.call('HINCRBY', key, 'canceled', unqueued)
  redis.call('ZREM', open_batches_key(caller), batch)
  for _, id in ipairs(redis.call('SMEMBERS', batch_edits_key(caller))) do
    if redis.call('HGET', edit_key(id), 'batch') == batch then cancel_edit(id) end
  end
  finish_batch(batch, now)
end

-- Delete the record of a batch and what lies beside it; its edits are not touched.
local function drop_batch(batch, gone)
  local key = batch_key(batch)
  local caller, name, prefix, bytes = unpack(redis.call('HMGET', key, 'caller', 'idempotency', 'prefix', 'bytes'))
  if name then bury(name, gone) end
  for _, ending in ipairs({ 'completed', 'canceled', 'expired' }) do delete_delivery(delivery_id(batch, ending)) end
  redis.call('ZREM', batches_expiring_key, batch)
  if caller then
    redis.call('ZREM', open_batches_key(caller), batch)
    redis.call('ZREM', batches_key(caller), batch)
    add_bytes(record_bytes_key, caller, -number(bytes))
  end
  if prefix then redis.call('ZADD', deletions_key, now_ms(), prefix) end
  redis.call('DEL', key, batch_lines_key(batch))
end

-- Delete some edits of a batch whose deletion was requested, and the batch after the last of them.
-- Return whether nothing is left of it.
local function erase_lines(batch, limit, grace_ms)
  local key = batch_key(batch)
  local from, total = unpack(redis.call('HMGET', key, 'erased', 'total'))
  local first, last = number(from), math.min(number(from) + limit, number(total)) - 1
  for line = first, last do
    local id = redis.call('HGET', batch_lines_key(batch), line)
    local status = id and string.sub(id, 1, 5) == 'edit_' and redis.call('HGET', edit_key(id), 'status')
    if status then
      move(id, 'canceled', {})
      erase(id, now_ms() + (status == 'running' and grace_ms or 0), 'deleted')
    end
  end
  redis.call('HSET', key, 'erased', last + 1)
  if last + 1 < number(total) then return false end
  drop_batch(batch, 'deleted')
  return true
end
