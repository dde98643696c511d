"""Edits whose images have one colour each, so that every image can be recognised."""

from functools import partial

from PIL import Image

from bench.study.source import Edit

KINDS = ("posture", "posture", "colour")
METHODS = ("alpha", "beta", "gamma", "delta")


def colour(edit: int, method: int) -> tuple[int, int, int]:
    """The colour of an edit's image; method 0 is the photo."""
    return (edit, method * 20, 255 - edit)


def make_edits(count: int = 12, methods: tuple[str, ...] = METHODS) -> list[Edit]:
    return [
        Edit(
            id=f"e{i}",
            kind=KINDS[i % 3],
            prompt=f"the sentence of e{i}",
            photo=partial(Image.new, "RGB", (64, 48), colour(i, 0)),
            edited={
                method: partial(Image.new, "RGB", (64, 48), colour(i, 1 + METHODS.index(method)))
                for method in methods
            },
        )
        for i in range(count)
    ]
