"""The operations, one module for each resource, each with its own description and examples."""
