"""API keys, and how many requests each may make."""
