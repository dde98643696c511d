"""The HTTP server below the routes: protocol, limits, middleware, headers, metrics."""
