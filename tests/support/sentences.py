"""Sentences, and whether they read like an instruction: for the model's hint and the page's."""

INSTRUCTIONS = [
    "make the dog sit",
    "Make it snow",
    "please add a hat",
    "Turn the cat into a dog",
    "  remove all people",
    "change his shirt to red",
    "Can you give her blue eyes?",
    "I want a dog on the sofa",
    "I’d like a cat",
    "“replace the sky”",
    "Put more trees behind the house",
]
DESCRIPTIONS = [
    "",
    "a dog sitting",
    "a photo of a white cat standing on grass, facing left",
    "turn of the century house",
    "make-up artist at work",
    "change purse on a table",
    "paint splashes on a wall",
    "the dog turns the corner",
    "letter on the desk",
    "additional chairs in a room",
    "сделай собаку",
]
