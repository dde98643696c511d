-- Record an attempt's outcome and when the next one is due, unless a replay has overtaken it.
-- delivery, taken, attempt, status, ms until the next attempt | '', 'gone' | '', log's length
local delivery, taken, attempt, status, retry_ms, gone, max_logged = unpack(ARGV, 2)
redis.call('HINCRBY', attempted_key, status, 1)
local key = delivery_key(delivery)
local id, lane, last_taken = unpack(redis.call('HMGET', key, 'edit', 'receiver', 'taken'))
if not id then return end -- a progress event, which has no log, or its edit was deleted meanwhile
redis.call('RPUSH', delivery_attempts_key(delivery), attempt)
redis.call('LTRIM', delivery_attempts_key(delivery), -max_logged, -1)
if gone ~= '' and redis.call('EXISTS', edit_key(id)) == 1 then redis.call('HSET', edit_key(id), 'webhook_url', '') end
if last_taken ~= taken then return end
redis.call('HSET', key, 'status', status)
if retry_ms ~= '' then
  schedule(delivery, lane, now_ms() + retry_ms)
else
  unschedule(delivery, lane)
end
