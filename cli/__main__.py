"""`python -m cli`: the command where its script is not installed."""

from cli.main import main

main()
