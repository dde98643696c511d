-- Erase edits that were kept as long as was promised; for a while they are known to have expired.
-- Safe to run from several housekeepers at once.
-- most, s that they are known → {id, …}
local most, known = unpack(ARGV, 2)
local now = now_ms()
local ids = redis.call('ZRANGE', expiring_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, most)
for _, id in ipairs(ids) do
  local caller = redis.call('HGET', edit_key(id), 'caller')
  if caller then
    redis.call('SET', 'baret:expired:' .. id, caller, 'EX', known)
    erase(id, now)
  else
    redis.call('ZREM', expiring_key, id)
  end
end
return ids
