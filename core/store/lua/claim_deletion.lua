-- Take the prefix whose pictures are due for deletion longest; it is due again after the lease.
-- lease in ms → prefix | nil
local due = redis.call('ZRANGE', deletions_key, '-inf', now_ms(), 'BYSCORE', 'LIMIT', 0, 1)
if #due == 0 then return nil end
redis.call('ZADD', deletions_key, now_ms() + ARGV[2], due[1])
return due[1]
