"""Webhooks: what is due, what they say and what signs them."""
