-- Take the delivery that is due longest; it is due again after the lease unless it is settled.
-- lease in ms → {delivery, its fields…} | nil
local due = redis.call('ZRANGE', due_key, '-inf', now_ms(), 'BYSCORE', 'LIMIT', 0, 1)
if #due == 0 then return nil end
redis.call('ZADD', due_key, now_ms() + ARGV[2], due[1])
redis.call('HINCRBY', 'baret:delivery:' .. due[1], 'tries', 1)
return { due[1], redis.call('HGETALL', 'baret:delivery:' .. due[1]) }
