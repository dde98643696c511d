-- Take edits back from workers whose lease has run out: queue them again, or fail them after
-- their last attempt. Safe to run from several housekeepers at once.
-- most attempts, problem, lease in ms → {{id, model, 'queued' | 'failed' | 'canceled'}, …}
local most, problem, lease = unpack(ARGV, 2)
local now, lapsed = now_ms(), {}
-- A lease that would last longer than any is given was written before the clock went back.
for _, id in ipairs(redis.call('ZRANGE', running_key, '(' .. now + lease, '+inf', 'BYSCORE')) do
  redis.call('ZADD', running_key, now + lease, id)
end
for _, id in ipairs(redis.call('ZRANGE', running_key, '-inf', now, 'BYSCORE')) do
  local attempt, model, cancel = unpack(read(edit_key(id), 'attempt', 'model', 'cancel'))
  local to, fields = 'queued', {}
  if cancel then
    to = 'canceled'
  elseif (tonumber(attempt) or tonumber(most)) >= tonumber(most) then
    to, fields = 'failed', { 'error', problem }
  end
  guarded(move, running_key, id, to, fields)
  table.insert(lapsed, { id, model or '', to })
end
return lapsed
