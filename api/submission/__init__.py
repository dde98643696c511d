"""The steps of a POST in their order: body, parsing, idempotency, acceptance."""
