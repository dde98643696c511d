-- Store the response of an accepted request, for those that repeat it.
-- name, response, ms to keep it
local name, response, keep_ms = unpack(ARGV, 2)
redis.call('HSET', idempotency_key(name), 'answer', response)
redis.call('PEXPIRE', idempotency_key(name), keep_ms)
