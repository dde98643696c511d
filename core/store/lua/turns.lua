-- Callers take turns: start-time fair queuing (docs/decisions/0018-callers-take-turns.md). Put before
-- every script, between the names of keys and the prelude.
--
-- An edit's turn is a virtual time, in units of work (`Params.work`); the smallest is claimed first.
-- It is where the turn before it of the same caller ends, or the model's clock, whichever is later.
-- The clock is the turn of the edit that was claimed last.

local page = 1000 -- arguments that one command gets; even

-- Return a stored number; 0 if there is none, or one that this service did not write.
local function number(value)
  value = type(value) ~= 'table' and tonumber(value)
  return value and math.abs(value) < 2 ^ 53 and value or 0
end

local function clock(model) return number(redis.call('HGET', turn_clocks_key, model)) end

-- Put an edit into the queue, behind its caller's others.
local function take_turn(id, model, caller, work)
  local ends = turn_ends_key(model)
  local turn = math.max(clock(model), number(redis.call('ZSCORE', ends, caller)))
  redis.call('ZADD', turns_key(model), turn, id)
  redis.call('ZADD', ends, turn + number(work), caller)
end

-- Put an edit that was claimed before into the queue again, at its old place and at no cost.
local function retake_turn(id, model)
  local turn = redis.call('HGET', edit_key(id), 'turn') or clock(model)
  redis.call('ZADD', turns_key(model), number(turn), id)
end

-- Take an edit that is claimed out of the queue. The clock moves on to its turn.
local function use_turn(id, model)
  local turn = redis.call('ZSCORE', turns_key(model), id)
  if not turn then return end
  redis.call('ZREM', turns_key(model), id)
  redis.call('HSET', edit_key(id), 'turn', turn)
  if number(turn) <= clock(model) then return end
  redis.call('HSET', turn_clocks_key, model, turn)
  redis.call('ZREMRANGEBYSCORE', turn_ends_key(model), '-inf', turn) -- as if they had never called
end

-- Return the caller's edits that wait with later turns: {id = turn, …}.
local function turns_after(turn, model, caller)
  local ids, later = redis.call('SMEMBERS', in_flight_key(caller)), {}
  for from = 1, #ids, page do
    local some = { unpack(ids, from, math.min(from + page - 1, #ids)) }
    for place, its_turn in ipairs(redis.call('ZMSCORE', turns_key(model), unpack(some))) do
      if number(its_turn) > turn then later[some[place]] = number(its_turn) end
    end
  end
  return later
end

-- Take a queued edit that has ended out of the queue. Its caller's later edits move up by its cost,
-- but the first of them not to a time that has passed.
local function give_turn_back(id, model, caller, work)
  local turns, ends = turns_key(model), turn_ends_key(model)
  local turn, last_end = redis.call('ZSCORE', turns, id), redis.call('ZSCORE', ends, caller)
  if not turn then return end
  redis.call('ZREM', turns, id)
  if not last_end then return end -- none is later
  local later = turns_after(number(turn), model, caller)
  local first = number(last_end)
  for _, its_turn in pairs(later) do first = math.min(first, its_turn) end
  local step = math.max(0, math.min(number(work), first - clock(model)))
  local moves = {}
  for other, its_turn in pairs(later) do
    table.insert(moves, its_turn - step)
    table.insert(moves, other)
  end
  for from = 1, #moves, page do
    redis.call('ZADD', turns, unpack(moves, from, math.min(from + page - 1, #moves)))
  end
  redis.call('ZADD', ends, number(last_end) - step, caller)
end

-- Give a turn to every edit that waits without one, because an earlier version queued it, and drop
-- what is not waiting. Both happen once after an upgrade, or when a stranger wrote to Redis.
local function repair_turns(model)
  local turns, waiting = turns_key(model), waiting_key(model)
  if redis.call('ZCARD', turns) == redis.call('ZCARD', waiting) then return end
  for _, id in ipairs(redis.call('ZDIFF', 2, turns, waiting)) do redis.call('ZREM', turns, id) end
  for _, id in ipairs(redis.call('ZDIFF', 2, waiting, turns)) do
    local fields = redis.pcall('HMGET', edit_key(id), 'status', 'caller', 'work')
    if fields[1] == 'queued' and fields[2] then
      take_turn(id, model, fields[2], fields[3])
    else
      redis.call('ZREM', waiting, id)
    end
  end
end
