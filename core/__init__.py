"""What the API, the workers and the housekeeper share. Imports none of them, and no torch.

schema           the models of the contract: requests, edits, statuses, problems
store            edits, statistics and locks in Redis
webhooks         their queue and log, their bodies, their secrets
access           API keys and rate limits
broker           Celery and its messages
images           stored images: inspection, encoding, provenance, signed URLs
outbound         an HTTP client that reaches public addresses only
telemetry        logs, traces, redaction of secrets
settings         the configuration of a process, read once
problems         problem objects (RFC 9457) and their texts
serializer       a stored edit as its public resource
circuit_breaker  a guard before servers that may hang
private_files    modes of what is stored: for the service's own user alone
ids              ids of edits
errors           the error tree
"""
