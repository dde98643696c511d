"""Celery: its application, and a transport that lets only our own messages through."""
