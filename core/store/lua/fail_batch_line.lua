-- Note why a line of a batch is not accepted as an edit.
-- batch, line, problem
local batch, line, problem = unpack(ARGV, 2)
if not is_open(batch, line) then return end
note_line(batch, redis.call('HGET', batch_key(batch), 'caller'), line, problem)
count_line(batch, 'failed', now_ms())
