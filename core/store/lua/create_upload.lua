-- Note an upload and count its bytes. What is sent to it is due for deletion from now on.
-- id, prefix, caller, bytes, how many the caller's images may take (0: any), ms until its URL expires,
-- ms until the deletion, the fields of its record and their values → 'ok' | 'over_quota'
local id, prefix, caller, bytes, limit, url_ms, deletion_ms = unpack(ARGV, 2, 8)
note_images(prefix, caller, 0) -- sent again because the answer was lost
if is_over(limit, image_bytes_key, caller, bytes) then return 'over_quota' end
note_images(prefix, caller, tonumber(bytes))
redis.call('HSET', upload_key(id), unpack(ARGV, 9))
redis.call('PEXPIRE', upload_key(id), url_ms)
redis.call('ZADD', deletions_key, now_ms() + deletion_ms, prefix)
return 'ok'
