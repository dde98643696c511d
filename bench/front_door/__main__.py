"""`python -m bench.front_door`: see `bench.front_door.command`."""

from bench.front_door.command import main

if __name__ == "__main__":
    main()
