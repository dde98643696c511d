-- Hold an idempotency key for a request, or say what came of an earlier one.
-- name, body, token, ms to hold it → {'held'} | {'mismatch'} | {'busy'} | {'accepted', id, answer}
local name, body, token, hold = unpack(ARGV, 2)
local key = idempotency_key(name)
local was, edit, answer = unpack(redis.call('HMGET', key, 'body', 'edit', 'answer'))
if not was then
  redis.call('HSET', key, 'body', body, 'token', token)
  redis.call('PEXPIRE', key, hold)
  return { 'held' }
end
if was ~= body then return { 'mismatch' } end
if not edit then return { 'busy' } end
return { 'accepted', edit, answer or '' }
