-- Delete edits whose time has come; for a while they are known to have expired. Safe to run from
-- several housekeepers at once.
-- at most how many, s that they are known → {id, …}
local limit, known_seconds = unpack(ARGV, 2)
local now = now_ms()
local ids = redis.call('ZRANGE', expiring_key, '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
for _, id in ipairs(ids) do
  local caller, user = unpack(read(edit_key(id), 'caller', 'user'))
  if caller then
    redis.call('SET', expired_key(id), owner_of(caller, user), 'EX', known_seconds)
  end
  if not guarded(erase, expiring_key, id, now, 'expired') then
    redis.call('DEL', edit_key(id))
    redis.call('ZADD', deletions_key, now, id)
  end
end
return ids
