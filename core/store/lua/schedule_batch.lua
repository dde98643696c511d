-- Set when a caller's next batch edits are queued.
-- caller, ms from now
redis.call('ZADD', batches_due_key, 'XX', now_ms() + ARGV[3], ARGV[2])
