"""Maintenance commands of this repository."""
