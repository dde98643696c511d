-- Have the pictures of an edit deleted in a while unless it is accepted before.
-- id, ms
redis.call('ZADD', deletions_key, now_ms() + ARGV[3], ARGV[2])
