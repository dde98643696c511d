"""BARET: text-driven editing of photos by target-text inversion and balanced attention.

    from baret import Editor, EditOptions
    editor = Editor.from_pretrained("zoo")
    result = editor.edit(photo, "a photo of a dog jumping", EditOptions(preset="non_rigid"))
    result.image.save("after.png")

Source: arXiv 2312.05482 (AAAI 2024). docs/method.md maps symbols to equations to functions.
"""

from baret.editor import Editor
from baret.errors import BaretError
from baret.model.prompts import Hint
from baret.options import PRESETS, EditOptions, InversionOptions, Preset
from baret.progress import OnProgress, Progress
from baret.result import EditResult, Inversion, Output, Preview, WordAttention

__all__ = [
    "PRESETS",
    "BaretError",
    "EditOptions",
    "EditResult",
    "Editor",
    "Hint",
    "Inversion",
    "InversionOptions",
    "OnProgress",
    "Output",
    "Preset",
    "Preview",
    "Progress",
    "WordAttention",
]
