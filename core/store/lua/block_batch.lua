-- Note why the next line of a batch cannot be queued now.
-- batch, problem
if redis.call('HGET', batch_key(ARGV[2]), 'status') ~= 'in_progress' then return end
redis.call('HSET', batch_key(ARGV[2]), 'blocked', ARGV[3])
