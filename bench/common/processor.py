"""What the machine's processor is called."""

import platform
import re
from pathlib import Path


def processor_name() -> str:
    """By who made it, where the machine tells (Linux); else its architecture."""
    told = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", told.read_text()) if told.is_file() else None
    return found[1] if found else platform.machine()
