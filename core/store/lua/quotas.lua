-- The bytes that each caller holds, in the image storage and here. Put before every script, like
-- turns.lua. A value that this service did not write counts as nothing and stops nothing.

-- What an edit takes here beside its request: record, events, listing and webhooks (measured: 7 to 12 kB).
local record_overhead = 8192

local function held_bytes(totals, caller)
  return number(redis.pcall('HGET', totals, caller))
end

local function add_bytes(totals, caller, change)
  local total = redis.pcall('HINCRBY', totals, caller, change)
  if type(total) ~= 'number' or total <= 0 then redis.pcall('HDEL', totals, caller) end
end

-- Return whether a caller would hold more than it may; limit 0: it may hold anything.
local function is_over(limit, totals, caller, more)
  return tonumber(limit) > 0 and held_bytes(totals, caller) + more > tonumber(limit)
end

-- Note what a caller's images under a prefix take; 0 once they are deleted.
local function note_images(prefix, caller, bytes)
  local noted = redis.pcall('HGET', prefix_bytes_key, prefix)
  local before, owner = string.match(type(noted) == 'string' and noted or '', '^(%d+) (.+)$')
  if before then add_bytes(image_bytes_key, owner, -number(before)) end
  if bytes == 0 then
    redis.pcall('HDEL', prefix_bytes_key, prefix)
  else
    redis.pcall('HSET', prefix_bytes_key, prefix, string.format('%d %s', bytes, caller))
    add_bytes(image_bytes_key, caller, bytes)
  end
end

-- Note that an edit's record takes more bytes, or gives all of them back.
local function grow_record(id, caller, bytes)
  redis.call('HINCRBY', edit_key(id), 'bytes', bytes)
  add_bytes(record_bytes_key, caller, bytes)
end

local function forget_record(id, caller)
  local bytes = number(redis.call('HGET', edit_key(id), 'bytes'))
  if bytes > 0 then add_bytes(record_bytes_key, caller, -bytes) end
end
