"""The HTTP server beneath the routes: protocol, limits, middleware, metrics."""
