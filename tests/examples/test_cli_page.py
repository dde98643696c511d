"""Every command in docs/cli.md runs, against a service with a small model."""

import json
from pathlib import Path

import pytest
from PIL import Image

from cli.errors import MEANINGS
from tests.support.doc_code import Block, blocks
from tests.support.doc_tables import rows
from tests.support.shell import run_in_shell

PAGE = "cli.md"
BLOCKS = blocks(PAGE, "sh")


@pytest.mark.parametrize("block", BLOCKS, ids=[block.heading for block in BLOCKS])
def test_an_example_runs(block: Block, folder: Path, environment: dict[str, str]) -> None:
    done = run_in_shell(block.code, folder, environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if block.heading == "Folders":
        assert sorted(done.stdout.split()) == ["new/00-posture.png", "new/02-posture.png"]
        assert "2 edited before" in done.stderr


def test_the_examples_left_what_the_page_says(folder: Path) -> None:
    for name in ("after.png", "cat-compare.png", "piped.png", "small.webp"):
        assert Image.open(folder / name).size[0] >= 64
    results = [json.loads(line) for line in (folder / "colors.jsonl").read_text().splitlines()]
    assert [(one["custom_id"], one["error"]) for one in results] == [
        ("black", None),
        ("yellow", None),
    ]


def test_an_assistant_can_be_told_of_the_server(folder: Path, environment: dict[str, str]) -> None:
    (block,) = blocks(PAGE, "json")
    told = json.loads(block.code)["mcpServers"]["baret"]
    command = [Path(told["command"]).name, *told["args"], "--help"]
    done = run_in_shell(" ".join(command), folder, environment)
    assert done.returncode == 0, done.stderr
    assert set(told["env"]) == {"BARET_API_KEY"}


def test_the_page_has_every_exit_code() -> None:
    listed = {int(code): meaning for code, meaning in rows(PAGE, "## For programs")}
    assert listed.keys() == {code.value for code in MEANINGS}
    for code, meaning in MEANINGS.items():
        assert listed[code].startswith(meaning)
