"""The name of the machine's CPU."""

import platform
import re
from pathlib import Path


def processor_name() -> str:
    """Return the maker's name of the CPU on Linux, the architecture elsewhere."""
    cpuinfo = Path("/proc/cpuinfo")
    match = re.search(r"model name\s*: (.+)", cpuinfo.read_text()) if cpuinfo.is_file() else None
    return match[1] if match else platform.machine()
