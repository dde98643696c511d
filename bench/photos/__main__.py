"""`python -m bench.photos`: see `bench.photos.command`."""

try:
    from bench.photos.command import main
except ModuleNotFoundError as error:
    if error.name != "torchmetrics":
        raise
    raise SystemExit(
        "The metrics need the extra `photos`: pip install -c constraints.txt -e '.[worker,photos]'"
    ) from error

if __name__ == "__main__":
    main()
