-- Note which image is sent to an upload: the first one, which may be sent again.
-- id, its SHA-256 → 'ok' | 'used' | 'none'
local id, sha256 = unpack(ARGV, 2)
if redis.call('EXISTS', upload_key(id)) == 0 then return 'none' end
redis.call('HSETNX', upload_key(id), 'sha256', sha256)
return redis.call('HGET', upload_key(id), 'sha256') == sha256 and 'ok' or 'used'
