"""`python -m bench.http_load`: see `bench.http_load.command`."""

from bench.http_load.command import main

if __name__ == "__main__":
    main()
