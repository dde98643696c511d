"""Logs and traces, without anything that a caller sent in confidence."""
