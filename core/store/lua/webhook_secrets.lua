-- Return a caller's webhook secrets; make the first one, or replace the current one.
-- caller, a new secret, 'rotate' | '', now in ms, ms that a replaced one still signs, how many at most
-- → {secret, its end in ms, …}, the current one first
local caller, new_secret, rotate, now, overlap_ms, max_secrets = unpack(ARGV, 2)
local key = webhook_secrets_key(caller)
local current = redis.call('ZRANGE', key, '+inf', '+inf', 'BYSCORE')[1]
if current and rotate ~= '' then redis.call('ZADD', key, now + overlap_ms, current) end
if not current or rotate ~= '' then redis.call('ZADD', key, '+inf', new_secret) end
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
redis.call('ZREMRANGEBYRANK', key, 0, -max_secrets - 1)
return redis.call('ZRANGE', key, 0, -1, 'REV', 'WITHSCORES')
