-- Read a page of a caller's edits, the newest first, in one go. An edit may be on the page that the
-- filter does not select (a record from before labels were kept, or two labels that are the same):
-- the reader checks each, and reads no other.
-- caller, id to go on after ('': from the newest), edits on the page, edits to look at at most,
-- status ('': any), label…
-- → { id of the last one looked at or false, 1 if more follow it, {id, fields and values}, … }
local caller, before, limit, max_scanned, status = unpack(ARGV, 2, 6)
limit, max_scanned = tonumber(limit), tonumber(max_scanned)
local chunk_size = 100
local now = now_ms()
local last, scanned, page = false, 0, {}

local function matches(id)
  local found, expires, labels = unpack(read(edit_key(id), 'status', 'expires_ms', 'labels'))
  if not found or (expires and tonumber(expires) <= now) then return false end
  if status ~= '' and found ~= status then return false end
  if not labels then return true end
  for i = 7, #ARGV do
    if not string.find(labels, ARGV[i], 1, true) then return false end
  end
  return true
end

while true do
  local from = last or before
  local ids = redis.call('ZRANGE', listing_key(caller), from == '' and '+' or '(' .. from, '-',
    'REV', 'BYLEX', 'LIMIT', 0, chunk_size)
  for _, id in ipairs(ids) do
    if #page == limit or scanned == max_scanned then return { last, 1, unpack(page) } end
    last, scanned = id, scanned + 1
    if matches(id) then table.insert(page, { id, redis.call('HGETALL', edit_key(id)) }) end
  end
  if #ids < chunk_size then return { last, 0, unpack(page) } end
end
