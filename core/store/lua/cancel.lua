-- Cancel a queued edit at once; ask a running one to stop at its next UNet call.
-- id → its status before | nil
return cancel_edit(ARGV[2])
