"""The command line `baret`. For the Python client, see README (until then: curl and httpx).

main  the console script and its command groups
keys  `baret keys`: create, list and revoke API keys
"""
