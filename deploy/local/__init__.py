"""The whole service on one machine: `python -m deploy.local`, which is `make run`."""
