"""Edits, statistics and locks in Redis: the only package that knows its keys and scripts."""
