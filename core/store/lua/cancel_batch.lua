-- Cancel a batch: its queued edits and those not queued yet at once, its running ones within a step.
-- batch
stop_batch(ARGV[2], 'canceled')
