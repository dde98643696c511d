-- Make a delivery due now, its schedule restarted.
-- delivery → 'ok' | nil if it does not exist
local delivery = ARGV[2]
local key = delivery_key(delivery)
local lane = redis.call('HGET', key, 'receiver')
if not lane then return nil end
-- An attempt that is under way now no longer decides what follows.
redis.call('HINCRBY', key, 'taken', 1)
redis.call('HSET', key, 'tries', 0, 'status', 'pending')
schedule(delivery, lane, now_ms())
return 'ok'
