"""`python -m client`: the command where its script is not installed."""

from client.command import main

main()
