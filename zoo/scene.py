"""A record of what a picture of the zoo shows; the same record always gives the same picture.

If you change one attribute of a scene and keep its seed, nothing else in the picture changes. The
second picture is therefore the exact answer to that edit.
"""

from dataclasses import dataclass

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "animal": ("dog", "cat", "horse", "bird"),
    "colour": ("brown", "black", "white", "orange", "gray"),
    "pose": ("standing", "sitting", "lying down", "jumping"),
    "place": ("on grass", "on sand", "in snow", "at night"),
    "style": ("a photo of", "a sketch of"),
    "facing": ("facing left", "facing right"),
}


@dataclass(frozen=True)
class Scene:
    """One picture; `seed` decides all that has no attribute: position, size, trees, light.

    Raises:
        ValueError: an attribute has an unknown value, or the seed is negative.
    """

    animal: str
    colour: str
    pose: str
    place: str
    style: str
    facing: str
    seed: int  # ≥ 0

    def __post_init__(self) -> None:
        for name, values in ATTRIBUTES.items():
            if getattr(self, name) not in values:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; the zoo knows {', '.join(values)}."
                )
        if self.seed < 0:
            raise ValueError("a scene's seed is 0 or more.")


def labels(scene: Scene) -> tuple[int, ...]:
    """Return the index of each attribute's value, in the order of `ATTRIBUTES`."""
    return tuple(values.index(getattr(scene, name)) for name, values in ATTRIBUTES.items())
