-- Delete an edit; one that has not ended is canceled first, so its worker's token holds no longer.
-- id, ms until a worker has surely stopped → status found | nil
local id, grace = unpack(ARGV, 2)
local status = redis.call('HGET', edit_key(id), 'status')
if not status then return nil end
move(id, 'canceled', {})
erase(id, now_ms() + (status == 'running' and grace or 0))
return status
