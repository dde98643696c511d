-- Have a delivery sent again now, its schedule begun anew.
-- delivery → 'ok' | nil where there is none
local delivery = ARGV[2]
local key = delivery_key(delivery)
local receiver = redis.call('HGET', key, 'receiver')
if not receiver then return nil end
-- An attempt that is under way now no longer decides what follows.
redis.call('HINCRBY', key, 'taken', 1)
redis.call('HSET', key, 'tries', 0, 'status', 'pending')
schedule(delivery, receiver, now_ms())
return 'ok'
