"""What API, worker and housekeeper share. Imports neither torch nor any of them.

schema           what an edit is, and what a request may contain
store            edits, events and statistics in Redis: the one place that knows its keys
webhooks         the queue of webhooks, their payloads' schema and secrets
access           API keys and the rate limiter
images           images from and for callers: inspected, decoded, stored, marked, signed URLs
outbound         an HTTP client that reaches public addresses only
broker           Celery and its transport
telemetry        logs, redaction of secrets, traces
settings         the configuration of every process
errors           the error tree
problems         problem objects (RFC 9457)
serializer       a stored edit as its public resource
ids              edit ids
circuit_breaker  fails fast while a server hangs
"""
