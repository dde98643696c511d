"""`python -m bench.speed`: see `bench.speed.command`."""

from bench.speed.command import main

if __name__ == "__main__":
    main()
