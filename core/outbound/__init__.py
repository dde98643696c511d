"""HTTP requests to URLs from callers: to public addresses only."""
