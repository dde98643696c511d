-- Make an edit's images due for deletion in a while, unless the edit is accepted before.
-- id, ms
redis.call('ZADD', deletions_key, now_ms() + ARGV[3], ARGV[2])
