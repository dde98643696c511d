"""Celery: its application, and a transport that passes our own messages only."""
