"""The command `baret`, and the place of the Python client (until then: curl and httpx, see README).

command  the console script and its groups of commands
keys     `baret keys`: make, list and revoke API keys, where the service's Redis can be reached
"""
