"""Redis: the one place that knows its keys and its scripts."""
