-- Begin the deletion of a batch: it stops, and nobody sees it any more. The housekeeper goes on with it if
-- its caller's request does not.
-- batch
local batch = ARGV[2]
local caller = redis.call('HGET', batch_key(batch), 'caller')
if not caller then return end
redis.call('HSET', batch_key(batch), 'deleted', 1, 'webhook_url', '')
stop_batch(batch, 'canceled')
redis.call('HSET', batch_key(batch), 'status', 'canceled')
redis.call('ZREM', batches_key(caller), batch)
redis.call('ZADD', batches_expiring_key, 0, batch)
