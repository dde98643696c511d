-- Delete an edit. One that has not ended is canceled first, so that its worker's token is stale.
-- id, ms until its worker has certainly stopped → {prefix of images to delete, …} | nil
local id, grace_ms = unpack(ARGV, 2)
local status = redis.call('HGET', edit_key(id), 'status')
if not status then return nil end
move(id, 'canceled', {})
return erase(id, now_ms() + (status == 'running' and grace_ms or 0), 'deleted')
