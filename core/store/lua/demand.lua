-- Return what waits for each of a worker's models, and how many others serve it.
-- worker, model…
-- → {{edits that wait, weight in thousandths, other workers that serve it, that load it}, …}, in their order
--
-- A model's weight is the number of callers who wait for it: who waits for several counts for a part in each,
-- and who has only batch edits there for a tenth (docs/decisions/0025-one-worker-several-models.md).
local worker = ARGV[2]
local now = now_ms() / 1000
local max_callers, batch_share = 1000, 0.1
local shares, queues = {}, {} -- by model: caller → share; caller → models that it waits for

local function add(model, line, ends, share)
  if redis.call('ZCARD', line) == 0 then return end
  for _, caller in ipairs(redis.call('ZRANGE', ends, 0, max_callers - 1)) do
    if not shares[model][caller] then
      shares[model][caller] = share
      queues[caller] = (queues[caller] or 0) + 1
    end
  end
end

local function others(key, pattern, model)
  local count = 0
  for _, member in ipairs(redis.pcall('ZRANGE', key, now, '+inf', 'BYSCORE')) do
    local name, its_model = string.match(member, pattern)
    if its_model == model and name ~= worker then count = count + 1 end
  end
  return count
end

for i = 3, #ARGV do
  local model = ARGV[i]
  shares[model] = {}
  repair_turns(model)
  add(model, turns_key(model), turn_ends_key(model), 1)
  add(model, batch_turns_key(model), batch_turn_ends_key(model), batch_share)
end
local demands = {}
for i = 3, #ARGV do
  local model, weight = ARGV[i], 0
  for caller, share in pairs(shares[model]) do weight = weight + share / queues[caller] end
  local least = redis.call('ZCARD', turns_key(model)) > 0 and 1 or batch_share -- handed back: its caller is unknown
  if weight == 0 then weight = least end
  table.insert(demands, { redis.call('ZCARD', waiting_key(model)), math.floor(weight * 1000),
    others(workers_key, '^(%S+) (.+)$', model), others(loading_key, '^(%S+) %d+ (.+)$', model) })
end
return demands
