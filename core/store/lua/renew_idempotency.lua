-- Hold an idempotency key for longer, while its request is not accepted yet.
-- name, token, ms to hold it
local name, token, hold_ms = unpack(ARGV, 2)
local holder, edit = unpack(redis.call('HMGET', idempotency_key(name), 'token', 'edit'))
if holder == token and not edit then redis.call('PEXPIRE', idempotency_key(name), hold_ms) end
