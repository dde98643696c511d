"""The contract that the front end and the workers share. Imports neither torch nor either side.

schema      what an edit is, and what may be asked of one
store       edits in Redis: the one place that knows its keys and moves a status
connection  Redis's errors in our own words, and the Lua scripts
keys        the form of an API key
keyring     the API keys that were made, in Redis
rates       how many requests a key may still make
idempotency one edit for however many times a request is sent
deliveries  webhooks due, their schedule and log
hook_secrets  what webhooks are signed with
hooks       what is said of webhooks
follow      an edit's events as they come, without a thread
eta         how long an edit will take, by what recent ones took
files       pictures in an object store
pictures    a picture's bytes judged and opened
marking     our pictures encoded, saying what they are
manifests   signed statements of origin (C2PA)
links       signed picture addresses
present     a stored edit as its public resource
queue       Celery and its settings
net         an HTTP client that reaches public addresses only
logs        structured logs, one edit's lines found by its id
settings    the process's configuration, read once
errors      the error tree
"""
