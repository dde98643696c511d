-- Note the answer of an accepted request, for those that repeat it.
-- name, answer, ms to keep it
local name, answer, keep = unpack(ARGV, 2)
redis.call('HSET', idempotency_key(name), 'answer', answer)
redis.call('PEXPIRE', idempotency_key(name), keep)
