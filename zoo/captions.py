"""Captions of a scene: one canonical caption, and the many wordings that a user might choose.

The benchmark uses the canonical caption; training uses the wordings. Wordings vary synonyms,
articles and word order, and leave things out. Some contain meaningless words, so that the model
learns to ignore words it does not know.
"""

import numpy as np

from zoo.scene import ATTRIBUTES, Scene

MAX_TOKENS = 32  # of the text encoder, including the start and end tokens

SYNONYMS: dict[str, tuple[str, ...]] = {
    "dog": ("puppy", "hound"),
    "cat": ("kitten", "kitty"),
    "horse": ("pony", "stallion"),
    "bird": ("little bird", "birdie"),
    "orange": ("ginger",),
    "gray": ("grey",),
    "standing": ("standing still", "standing up", "that stands"),
    "sitting": ("sitting down", "seated", "that sits"),
    "lying down": ("lying", "resting", "that lies"),
    "jumping": ("leaping", "in the air", "that jumps"),
    "on grass": ("on the grass", "in a meadow", "on a lawn", "on green grass"),
    "on sand": ("on the sand", "in the desert", "on a beach"),
    "in snow": ("in the snow", "on snow", "in winter"),
    "at night": ("in the dark", "under the moon", "in the night"),
    "a photo of": ("photo of", "a picture of", "an image of", "a photograph of"),
    "a sketch of": ("sketch of", "a drawing of", "a pencil drawing of", "a pencil sketch of"),
    "facing left": ("looking left", "looking to the left"),
    "facing right": ("looking right", "looking to the right"),
}
FLYING = ("flying", "that flies")  # for a jumping bird
LINKS = ("a", "an", "the", "one", "this", "that", "is", "and", "with", "which", "very")


def _words() -> tuple[str, ...]:
    phrases = [value for values in ATTRIBUTES.values() for value in values]
    phrases += [word for words in SYNONYMS.values() for word in words] + [*FLYING, *LINKS]
    return tuple(sorted({word for phrase in phrases for word in phrase.split()}))


WORDS = _words()  # every word the model learns, in lower case


def caption(scene: Scene) -> str:
    """Return the canonical caption, which names every attribute."""
    what = f"{scene.colour} {scene.animal}"
    return f"{scene.style} {_article(what)} {what} {scene.pose} {scene.place}, {scene.facing}"


def wording(scene: Scene, rng: np.random.Generator) -> str:
    """Return a caption in words that a user might choose.

    Two in five are the canonical caption, and one in five is the canonical caption without the
    facing. The rest use synonyms, other articles and other word orders, and may leave things out.
    """
    kind = rng.random()
    if kind < 0.4:
        return caption(scene)
    if kind < 0.6:
        return caption(scene).rpartition(",")[0]
    said = {name: _said(scene, name, rng) for name in ATTRIBUTES}
    if rng.random() < 0.3:
        said[str(rng.choice(["colour", "pose", "place", "style"]))] = ""
    if rng.random() < 0.4:
        said["facing"] = ""
    text = _sentence(said, rng)
    return _with_noise(text, rng) if rng.random() < 0.25 else text


def _said(scene: Scene, name: str, rng: np.random.Generator) -> str:
    value = str(getattr(scene, name))
    others = SYNONYMS.get(value, ())
    if name == "pose" and value == "jumping" and scene.animal == "bird":
        others += FLYING
    return str(rng.choice(others)) if others and rng.random() < 0.5 else value


def _sentence(said: dict[str, str], rng: np.random.Generator) -> str:
    what = f"{said['colour']} {said['animal']}".strip()
    article = str(rng.choice(["the", "one", "this"])) if rng.random() < 0.2 else _article(what)
    pose = said["pose"]
    if pose.endswith("ing") and rng.random() < 0.2:
        pose = f"that is {pose}"
    order = [pose, said["place"], said["facing"]]
    if rng.random() < 0.3:
        order = [said["facing"], pose, said["place"]]
    rest = (", " if rng.random() < 0.3 else " ").join(part for part in order if part)
    return " ".join(part for part in (said["style"], article, what, rest) if part)


def _with_noise(text: str, rng: np.random.Generator) -> str:
    """Insert one or two made-up words into the text."""
    words = text.split()
    for _ in range(int(rng.integers(1, 3))):
        letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz"), int(rng.integers(3, 6)))
        words.insert(int(rng.integers(0, len(words) + 1)), "".join(letters))
    return " ".join(words)


def _article(what: str) -> str:
    return "an" if what[0] in "aeiou" else "a"
