-- Count a photo that is about to be stored, and make it due for deletion in a while, unless its edit is
-- accepted before.
-- prefix, ms, caller, bytes, how many the caller's images may take (0: any) → 'ok' | 'over_quota'
local prefix, ms, caller, bytes, limit = unpack(ARGV, 2)
note_images(prefix, caller, 0) -- sent again because the answer was lost
if is_over(limit, image_bytes_key, caller, bytes) then return 'over_quota' end
note_images(prefix, caller, tonumber(bytes))
redis.call('ZADD', deletions_key, now_ms() + ms, prefix)
return 'ok'
