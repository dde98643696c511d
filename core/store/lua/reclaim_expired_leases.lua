-- Reclaim edits whose lease has expired: queue them again, or fail them after their last attempt.
-- Safe to run from several housekeepers at once.
-- attempts that an edit has, problem, lease in ms → {{id, model, 'queued' | 'failed' | 'canceled'}, …}
local max_attempts, problem, lease = unpack(ARGV, 2)
local now, reclaimed = now_ms(), {}
-- A lease longer than any that is given was written before the clock went back.
for _, id in ipairs(redis.call('ZRANGE', running_key, '(' .. now + lease, '+inf', 'BYSCORE')) do
  redis.call('ZADD', running_key, now + lease, id)
end
for _, id in ipairs(redis.call('ZRANGE', running_key, '-inf', now, 'BYSCORE')) do
  local attempt, model, cancel = unpack(read(edit_key(id), 'attempt', 'model', 'cancel'))
  local to, fields = 'queued', {}
  if cancel then
    to = 'canceled'
  elseif (tonumber(attempt) or tonumber(max_attempts)) >= tonumber(max_attempts) then
    to, fields = 'failed', { 'error', problem }
  end
  guarded(move, running_key, id, to, fields)
  table.insert(reclaimed, { id, model or '', to })
end
return reclaimed
