"""`python -m cli`: the command line if its script is not installed."""

from cli.main import main

main()
