"""Load a model by its hub id in a separate process."""

import os
import subprocess
import sys


def load_by_hub_id(**environment: str) -> subprocess.CompletedProcess[str]:
    """Load in a separate process: the hub's client reads its environment when it is imported."""
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
