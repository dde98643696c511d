-- Delete some of the edits of a batch whose deletion has begun, and at last the batch.
-- batch, how many edits, ms until a worker has certainly stopped → 1 once nothing is left | 0
local batch, limit, grace_ms = unpack(ARGV, 2)
if redis.call('EXISTS', batch_key(batch)) == 0 then return 1 end
return erase_lines(batch, tonumber(limit), grace_ms) and 1 or 0
