"""`python -m bench.study`: see `bench.study.command`."""

from bench.study.command import main

if __name__ == "__main__":
    main()
