"""`python -m bench.detail`: see `bench.detail.command`."""

from bench.detail.command import main

if __name__ == "__main__":
    main()
