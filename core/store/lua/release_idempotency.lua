-- Free an idempotency key whose request failed before its edit was accepted.
-- name, token
local name, token = unpack(ARGV, 2)
local holder, edit = unpack(redis.call('HMGET', idempotency_key(name), 'token', 'edit'))
if holder == token and not edit then redis.call('DEL', idempotency_key(name)) end
