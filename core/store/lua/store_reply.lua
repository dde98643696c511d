-- Store how an accepted request was answered, for those that repeat it; nothing if its edit has been
-- deleted meanwhile.
-- name, reply, ms to keep it
local name, reply, keep_ms = unpack(ARGV, 2)
if redis.call('HEXISTS', idempotency_key(name), 'edit') == 0 then return end
redis.call('HSET', idempotency_key(name), 'reply', reply)
redis.call('PEXPIRE', idempotency_key(name), keep_ms)
