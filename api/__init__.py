"""The HTTP front end: requests in, edits on the queue, resources and problems out. No torch.

app          the application, put together
routes/      the operations, one module for each resource, with their descriptions
submission/  the steps of a POST: body, parsing, idempotency, acceptance
responses/   edits, pages, events and images as they are sent
openapi/     how the OpenAPI document is built
auth         who calls, how often they may, and where the service may listen
services     the services that routes use, made once
cursors      signed cursors of pages
server/      protocol, limits, middleware, headers, metrics
problems/    every error as RFC 9457 problem details
web/         the page at / and the reference at /docs

Imports point downwards: routes > submission, responses > server > problems.
"""
