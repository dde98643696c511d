-- Delete a delivery that cannot be read, and its place in the lane that it was found in.
-- delivery, lane
local delivery, lane = unpack(ARGV, 2)
unschedule(delivery, lane)
redis.call('DEL', delivery_key(delivery), delivery_attempts_key(delivery))
