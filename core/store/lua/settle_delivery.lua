-- Note what came of an attempt, and when the next one is due, unless a replay has overtaken it.
-- delivery, taken, attempt, status, ms until the next attempt | '', 'gone' | '', most attempts kept
local delivery, taken, attempt, status, again, gone, most = unpack(ARGV, 2)
redis.call('HINCRBY', attempted_key, status, 1)
local key = delivery_key(delivery)
local id, receiver, last = unpack(redis.call('HMGET', key, 'edit', 'receiver', 'taken'))
if not id then return end -- progress, of which nothing is kept, or its edit was deleted meanwhile
redis.call('RPUSH', delivery_attempts_key(delivery), attempt)
redis.call('LTRIM', delivery_attempts_key(delivery), -most, -1)
if gone ~= '' then redis.call('HSET', edit_key(id), 'webhook_url', '') end
if last ~= taken then return end
redis.call('HSET', key, 'status', status)
if again ~= '' then
  schedule(delivery, receiver, now_ms() + again)
else
  unschedule(delivery, receiver)
end
