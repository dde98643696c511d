-- Have a delivery sent again now, its schedule begun anew.
-- delivery, edit → 'ok' | nil where the edit has no such delivery
local delivery, id = unpack(ARGV, 2)
local key = delivery_key(delivery)
local edit, receiver = unpack(redis.call('HMGET', key, 'edit', 'receiver'))
if edit ~= id or redis.call('HGET', key, 'type') == 'edit.progress' then return nil end
-- An attempt that is under way now no longer decides what follows.
redis.call('HINCRBY', key, 'taken', 1)
redis.call('HSET', key, 'tries', 0, 'status', 'pending')
schedule(delivery, receiver, now_ms())
return 'ok'
