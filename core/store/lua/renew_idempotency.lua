-- Hold an idempotency key for longer, while its request is still being taken.
-- name, token, ms to hold it
local name, token, hold = unpack(ARGV, 2)
local held, edit = unpack(redis.call('HMGET', idempotency_key(name), 'token', 'edit'))
if held == token and not edit then redis.call('PEXPIRE', idempotency_key(name), hold) end
