-- Put an attempt's edit back into the queue without counting it: its worker is leaving.
-- id, token → 'ok' | 'stale'
local id, token = unpack(ARGV, 2)
if not holds(id, token) then return 'stale' end
move(id, 'queued', { 'attempt', token - 1 })
return 'ok'
