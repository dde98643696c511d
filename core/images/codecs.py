"""Loads every image codec on import. Only processes that decode images import it."""

import pillow_heif
from PIL import AvifImagePlugin, Image

# For codecs with threads. Their default is one per core, and each thread takes memory.
THREADS = 2

AvifImagePlugin.DEFAULT_MAX_THREADS = THREADS
pillow_heif.options.DECODE_THREADS = THREADS
Image.init()  # now: the sandbox can open no file later, and so load no plugin
