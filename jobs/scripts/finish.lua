-- End an attempt, only if it still holds the edit.
-- id, token, status, result, error → 'ok' | 'stale'
local id, token, to, result, problem = unpack(ARGV, 2)
if not holds(id, token) then return 'stale' end
move(id, to, { 'result', result, 'error', problem })
return 'ok'
