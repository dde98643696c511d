"""The process that reclaims lost edits, sends webhooks and deletes what has expired. No torch."""
