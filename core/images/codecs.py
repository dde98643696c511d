"""Imported for what it does: loads every codec, where pictures are decoded and nowhere else."""

import pillow_heif
from PIL import AvifImagePlugin, Image

# Of a codec that has threads of its own. By default it is one a core, and each takes memory.
THREADS = 2

AvifImagePlugin.DEFAULT_MAX_THREADS = THREADS
pillow_heif.options.DECODE_THREADS = THREADS
Image.init()  # later no file can be opened, so no plugin either
