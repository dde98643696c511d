-- Erase edits that were kept as long as was promised; for a while they are known to have expired.
-- Safe to run from several housekeepers at once.
-- most, s that they are known → {id, …}
local most, known = unpack(ARGV, 2)
local now = now_ms()
local ids = redis.call('ZRANGE', expiring_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, most)
for _, id in ipairs(ids) do
  redis.call('SET', 'baret:expired:' .. id, redis.call('HGET', edit_key(id), 'caller'), 'EX', known)
  erase(id, now)
end
return ids
