"""What a picture of the zoo shows, as a record: the same record always draws the same picture.

Change one attribute of a scene and keep its seed, and the two pictures differ in nothing else: the
second is the exact answer to the edit that the attribute's change asks for.
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
    """One picture. `seed` decides what no attribute names: place in the frame, size, trees, light.

    Raises:
        ValueError: an attribute has a value that the zoo does not know.
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
    """Each attribute's index among its values, in the order of `ATTRIBUTES`."""
    return tuple(values.index(getattr(scene, name)) for name, values in ATTRIBUTES.items())
