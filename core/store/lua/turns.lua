-- Callers take turns: start-time fair queuing (docs/decisions/0018-callers-take-turns.md). Put before
-- every script, between the names of keys and the prelude.
--
-- A model has two lines of edits, interactive and batch (docs/decisions/0021-interactive-before-batch.md).
-- An edit's turn in its line is a virtual time, in units of work (`Params.work`); the smallest is claimed
-- first. It is where the turn before it of the same caller in this line ends, or the line's clock, whichever
-- is later. The clock is the turn of the edit that was claimed last from this line.

local page = 1000 -- arguments that one command gets; even
local max_in_a_row = 9 -- interactive edits that are claimed while a batch edit waits; then one of those is

-- Return a stored number; 0 if there is none, or one that this service did not write.
local function number(value)
  value = type(value) ~= 'table' and tonumber(value)
  return value and math.abs(value) < 2 ^ 53 and value or 0
end

-- Return the line that an edit waits in: the names of its keys.
local function line_of(id, model)
  if redis.call('HGET', edit_key(id), 'priority') == 'batch' then
    return { turns = batch_turns_key(model), ends = batch_turn_ends_key(model), clocks = batch_turn_clocks_key,
      model = model, is_batch = true }
  end
  return { turns = turns_key(model), ends = turn_ends_key(model), clocks = turn_clocks_key, model = model }
end

local function clock(line) return number(redis.pcall('HGET', line.clocks, line.model)) end

-- Put an edit into the queue, behind its caller's others.
local function take_turn(id, model, caller, work)
  local line = line_of(id, model)
  local turn = math.max(clock(line), number(redis.call('ZSCORE', line.ends, caller)))
  redis.call('ZADD', line.turns, turn, id)
  redis.call('ZADD', line.ends, turn + number(work), caller)
end

-- Put an edit that was claimed before into the queue again, at its old place and at no cost.
local function retake_turn(id, model)
  local line = line_of(id, model)
  local turn = redis.call('HGET', edit_key(id), 'turn') or clock(line)
  redis.call('ZADD', line.turns, number(turn), id)
end

-- Return how many interactive edits of a model were claimed in a row while a batch edit waited.
local function in_a_row(model)
  return math.max(0, math.min(max_in_a_row, number(redis.pcall('HGET', in_a_row_key, model))))
end

local function count_in_a_row(line)
  if not line.is_batch and redis.call('ZCARD', batch_turns_key(line.model)) > 0 then
    redis.pcall('HSET', in_a_row_key, line.model, in_a_row(line.model) + 1)
  else
    redis.pcall('HDEL', in_a_row_key, line.model)
  end
end

-- Return the edit of a model that is claimed next, and the line's key; nil if none waits.
local function next_turn(model)
  local turns, batch = turns_key(model), batch_turns_key(model)
  local first = redis.call('ZRANGE', turns, 0, 0)[1]
  if not first or in_a_row(model) == max_in_a_row then
    local other = redis.call('ZRANGE', batch, 0, 0)[1]
    if other then return other, batch end
  end
  return first, turns
end

-- Return how many edits of its model are claimed before this one; -1 if it does not wait.
local function position_of(id, model)
  local turns, batch = turns_key(model), batch_turns_key(model)
  local left = max_in_a_row - in_a_row(model) -- interactive edits until the next of the batch line
  local rank = redis.call('ZRANK', turns, id)
  if rank then
    local between = rank < left and 0 or 1 + math.floor((rank - left) / max_in_a_row)
    return rank + math.min(between, redis.call('ZCARD', batch))
  end
  rank = redis.call('ZRANK', batch, id)
  if not rank then return -1 end
  return rank + math.min(left + rank * max_in_a_row, redis.call('ZCARD', turns))
end

-- Take an edit that is claimed out of the queue. The clock moves on to its turn.
local function use_turn(id, model)
  local line = line_of(id, model)
  local turn = redis.call('ZSCORE', line.turns, id)
  if not turn then return end
  redis.call('ZREM', line.turns, id)
  redis.call('HSET', edit_key(id), 'turn', turn)
  count_in_a_row(line)
  if number(turn) <= clock(line) then return end
  redis.call('HSET', line.clocks, model, turn)
  redis.call('ZREMRANGEBYSCORE', line.ends, '-inf', turn) -- as if they had never called
end

-- Return the caller's edits that wait in a line with later turns: {id = turn, …}.
local function turns_after(turn, line, caller)
  local ids, later = redis.call('SMEMBERS', in_flight_key(caller)), {}
  for from = 1, #ids, page do
    local some = { unpack(ids, from, math.min(from + page - 1, #ids)) }
    for place, its_turn in ipairs(redis.call('ZMSCORE', line.turns, unpack(some))) do
      if number(its_turn) > turn then later[some[place]] = number(its_turn) end
    end
  end
  return later
end

-- Take a queued edit that has ended out of the queue. Its caller's later edits move up by its cost,
-- but the first of them not to a time that has passed.
local function give_turn_back(id, model, caller, work)
  local line = line_of(id, model)
  local turn, last_end = redis.call('ZSCORE', line.turns, id), redis.call('ZSCORE', line.ends, caller)
  if not turn then return end
  redis.call('ZREM', line.turns, id)
  if not last_end then return end -- none is later
  local later = turns_after(number(turn), line, caller)
  local first = number(last_end)
  for _, its_turn in pairs(later) do first = math.min(first, its_turn) end
  local step = math.max(0, math.min(number(work), first - clock(line)))
  local moves = {}
  for other, its_turn in pairs(later) do
    table.insert(moves, its_turn - step)
    table.insert(moves, other)
  end
  for from = 1, #moves, page do
    redis.call('ZADD', line.turns, unpack(moves, from, math.min(from + page - 1, #moves)))
  end
  redis.call('ZADD', line.ends, number(last_end) - step, caller)
end

-- Give a turn to every edit that waits without one, because an earlier version queued it, and drop
-- what is not waiting. Both happen once after an upgrade, or when a stranger wrote to Redis.
local function repair_turns(model)
  local turns, batch, waiting = turns_key(model), batch_turns_key(model), waiting_key(model)
  local placed = redis.call('ZCARD', turns) + redis.call('ZCARD', batch)
  if placed == redis.call('ZCARD', waiting) then return end
  for _, line in ipairs({ turns, batch }) do
    for _, id in ipairs(redis.call('ZDIFF', 2, line, waiting)) do redis.call('ZREM', line, id) end
  end
  -- A worker of an earlier version, which knows one line, gave batch edits a turn there.
  for _, id in ipairs(redis.call('ZINTER', 2, turns, batch)) do redis.call('ZREM', turns, id) end
  for _, id in ipairs(redis.call('ZDIFF', 3, waiting, turns, batch)) do
    local fields = redis.pcall('HMGET', edit_key(id), 'status', 'caller', 'work')
    if fields[1] == 'queued' and fields[2] then
      take_turn(id, model, fields[2], fields[3])
    else
      redis.call('ZREM', waiting, id)
    end
  end
end
