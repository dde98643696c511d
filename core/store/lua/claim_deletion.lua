-- Claim the prefix of stored images that has been due for deletion longest. If its deletion is not
-- confirmed within the lease, it becomes due again.
-- lease in ms → prefix | nil
local due = redis.call('ZRANGE', deletions_key, '-inf', now_ms(), 'BYSCORE', 'LIMIT', 0, 1)
if #due == 0 then return nil end
redis.call('ZADD', deletions_key, now_ms() + ARGV[2], due[1])
return due[1]
