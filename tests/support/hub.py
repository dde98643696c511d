"""Loading a model by its hub id, in a process of its own."""

import os
import subprocess
import sys


def load_by_hub_id(**environment: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the hub's client reads its environment when imported."""
    code = (
        "from baret import Editor, BaretError\n"
        "try: print(Editor.from_pretrained('some-org/some-model', device='cpu').model.identity)\n"
        "except BaretError as error: print(type(error).__name__, error)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
