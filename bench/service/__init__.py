"""Measurements of the running service: overhead, residency and the contact sheet."""
