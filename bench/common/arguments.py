"""Argument types that the benchmarks' command lines share."""

import argparse


def positive(text: str) -> int:
    """Parse a whole number of 1 or more."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def positive_list(text: str) -> tuple[int, ...]:
    """Parse whole numbers of 1 or more, separated by commas."""
    return tuple(positive(part) for part in text.split(","))
