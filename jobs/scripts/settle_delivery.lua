-- Note what came of an attempt, and when the next one is due, unless a replay has overtaken it.
-- delivery, taken, attempt, status, ms until the next attempt | '', 'gone' | '', most attempts kept,
-- seconds that an ended delivery is kept
local delivery, taken, attempt, status, again, gone, most, kept = unpack(ARGV, 2)
local key = delivery_key(delivery)
local id, receiver, last = unpack(redis.call('HMGET', key, 'edit', 'receiver', 'taken'))
if not id then return end -- progress: nothing of it is kept
redis.call('RPUSH', attempts_key(delivery), attempt)
redis.call('LTRIM', attempts_key(delivery), -most, -1)
if gone ~= '' and redis.call('EXISTS', edit_key(id)) == 1 then
  redis.call('HSET', edit_key(id), 'webhook_url', '')
end
if last ~= taken then return end
redis.call('HSET', key, 'status', status)
if again ~= '' then
  schedule(delivery, receiver, now_ms() + again)
else
  unschedule(delivery, receiver)
  redis.call('EXPIRE', key, kept)
  redis.call('EXPIRE', attempts_key(delivery), kept)
end
