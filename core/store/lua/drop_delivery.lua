-- Forget a delivery that cannot be read, and its place with the receiver that it was found at.
-- delivery, receiver
local delivery, receiver = unpack(ARGV, 2)
unschedule(delivery, receiver)
redis.call('DEL', delivery_key(delivery), delivery_attempts_key(delivery))
