"""The service's own header names, and headers added to an answer from outside its route."""

from fastapi import Request

REQUEST_ID = "X-Request-Id"
IDEMPOTENCY_KEY = "Idempotency-Key"
IDEMPOTENT_REPLAYED = "Idempotent-Replayed"
RATE_LIMIT = "RateLimit"
RATE_LIMIT_POLICY = "RateLimit-Policy"

EXTRA_HEADERS = "baret.headers"  # the key in a request's scope; the middleware sends what is there
IS_HEAD = "baret.is_head"  # in its scope too: routes see every HEAD as a GET


def add_headers(request: Request, headers: dict[str, str]) -> None:
    """Add headers to the request's answer, even if it becomes a problem."""
    request.scope[EXTRA_HEADERS].update(headers)
