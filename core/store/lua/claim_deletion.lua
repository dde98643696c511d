-- Take the prefix whose pictures are due for deletion longest; it is due again after the lease.
-- lease in ms → prefix | nil
local due = redis.call('ZRANGE', erased_key, '-inf', now_ms(), 'BYSCORE', 'LIMIT', 0, 1)
if #due == 0 then return nil end
redis.call('ZADD', erased_key, now_ms() + ARGV[2], due[1])
return due[1]
