"""The OpenAPI document: how it is built, and the examples that several routes share."""
