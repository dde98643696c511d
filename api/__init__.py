"""The HTTP front end: requests in, edits on the queue, resources and problems out. No torch.

app         the application, put together
services    what its routes work with, made once
auth        who calls, how often they may, and where the service may listen
idempotency a POST that is sent again
body        reading a body under a bound
asked       what a POST asks for, from either kind of body
intake      from a request to an edit on the queue
listing     pages of edits: filters and cursors
shown       a record as its caller sees it now
etag        entity tags of edits
events      an edit's events as server-sent events
encoding    outputs in the encoding that a caller prefers
validation  what pydantic says → JSON pointers a caller can use
errors      the error tree of requests
kinds       the one table from an error to its status, code and title
problems    every error → RFC 9457
requests    request ids, log lines, nothing internal in a 500
hooks       what a webhook's receiver is sent, for the description
openapi     (and examples) the parts of the description that FastAPI cannot derive
routes/     edits, their events and deliveries, the webhooks' secret, files, models, health, pages
web/        the plain page at /, the reference at /docs
"""
