-- Note what came of an attempt at a webhook, unless its edit was deleted meanwhile.
-- delivery, outcome, s until the next attempt | ''
local id, outcome, pause = unpack(ARGV, 2)
local key = 'baret:delivery:' .. id
if redis.call('EXISTS', key) == 1 then redis.call('HSET', key, 'outcome', outcome) else pause = '' end
if pause == '' then
  redis.call('ZREM', due_key, id)
else
  redis.call('ZADD', due_key, now_ms() + pause * 1000, id)
end
