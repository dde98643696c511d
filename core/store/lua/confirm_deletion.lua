-- Note that nothing is left under a prefix of stored images.
-- prefix
local prefix = ARGV[2]
redis.call('ZREM', deletions_key, prefix)
note_images(prefix, '', 0)
