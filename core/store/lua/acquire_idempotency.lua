-- Lock an idempotency key for a request, or return the outcome of an earlier one.
-- name, body, token, ms to hold it
-- → {'held'} | {'mismatch'} | {'busy'} | {'accepted', id, reply} | {'gone', 'deleted' | 'expired'}
local name, body, token, hold_ms = unpack(ARGV, 2)
local key = idempotency_key(name)
local known_body, edit, reply, holder, gone =
  unpack(redis.call('HMGET', key, 'body', 'edit', 'reply', 'token', 'gone'))
if gone then return { 'gone', gone } end
-- Held by this very request: sent again because its answer was lost, it holds the key for longer.
if not known_body or (holder == token and not edit) then
  redis.call('HSET', key, 'body', body, 'token', token)
  redis.call('PEXPIRE', key, hold_ms)
  return { 'held' }
end
if known_body ~= body then return { 'mismatch' } end
if not edit then return { 'busy' } end
return { 'accepted', edit, reply or '' }
