"""Logs and traces, without anything confidential that a caller sent."""
