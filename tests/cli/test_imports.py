"""No command loads torch before it needs it: help and servers' edits begin at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tests.support.waiting import PATIENCE

PROGRAM = """
import sys
from cli.main import main
try:
    main({arguments!r})
except SystemExit as ended:
    print(ended.code, sorted({{"torch", "baret", "diffusers"}} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], 0),
        (["edit", "photo.png", "a dog", "--server", "http://127.0.0.1:1", "-q"], 5),
        (["models", "--server", "http://127.0.0.1:1"], 5),
        (["keys", "list"], 1),
    ],
)
def test_torch_is_not_loaded(
    tmp_path: Path, make_image: object, arguments: list[str], status: int
) -> None:
    (tmp_path / "photo.png").write_bytes(make_image())  # type: ignore[operator]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(arguments=arguments)],
        cwd=tmp_path,
        env={
            "PATH": "",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
            "REDIS_URL": "redis://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    ended = done.stdout.splitlines()[-1] if done.stdout else done.stderr
    # `keys` ends with a message, which Python prints with status 1.
    assert ended.endswith(" []"), done.stderr
    assert status == 1 or ended.startswith(f"{status} "), ended
