-- A caller's webhook secrets, one made where there is none, or the current one replaced.
-- caller, a new secret, 'rotate' | '', now in ms, ms that a replaced one goes on signing, most kept
-- → {secret, when it ends in ms, …}, the current one first
local caller, fresh, rotate, now, kept, most = unpack(ARGV, 2)
local key = webhook_secrets_key(caller)
local current = redis.call('ZRANGE', key, '+inf', '+inf', 'BYSCORE')[1]
if current and rotate ~= '' then redis.call('ZADD', key, now + kept, current) end
if not current or rotate ~= '' then redis.call('ZADD', key, '+inf', fresh) end
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)
return redis.call('ZRANGE', key, 0, -1, 'REV', 'WITHSCORES')
