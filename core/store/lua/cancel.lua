-- Cancel a queued edit at once; ask a running one to stop at its next UNet call.
-- id → its status before | nil
local id = ARGV[2]
local status = redis.call('HGET', edit_key(id), 'status')
if status == 'queued' then
  move(id, 'canceled', {})
elseif status == 'running' then
  redis.call('HSET', edit_key(id), 'cancel', 1)
end
return status
