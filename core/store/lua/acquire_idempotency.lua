-- Hold an idempotency key for a request, or say what came of an earlier one.
-- name, body, token, ms to hold it → {'held'} | {'mismatch'} | {'busy'} | {'accepted', id, answer}
local name, body, token, hold = unpack(ARGV, 2)
local key = idempotency_key(name)
local was, edit, answer, by = unpack(redis.call('HMGET', key, 'body', 'edit', 'answer', 'token'))
-- By this very request: it is sent again where its answer was lost, and holds for longer.
if not was or (by == token and not edit) then
  redis.call('HSET', key, 'body', body, 'token', token)
  redis.call('PEXPIRE', key, hold)
  return { 'held' }
end
if was ~= body then return { 'mismatch' } end
if not edit then return { 'busy' } end
return { 'accepted', edit, answer or '' }
