"""Webhooks: their queue and log, their contents, and the secrets that sign them."""
