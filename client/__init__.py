"""The place of the Python client and the command line. Until then: curl and httpx, see README."""
