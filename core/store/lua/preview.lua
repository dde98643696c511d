-- Publish a small image of an attempt's state, only if it still holds the edit.
-- id, token, data → 'ok' | 'stale'
local id, token, data = unpack(ARGV, 2)
if not holds(id, token) then return 'stale' end
publish(id, 'preview', cjson.decode(data))
grow_record(id, redis.call('HGET', edit_key(id), 'caller'), #data)
return 'ok'
