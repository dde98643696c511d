"""The steps of a POST, in their order: body, parsing, accept; idempotency around them."""
