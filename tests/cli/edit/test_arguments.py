"""What is wrong with the arguments is said before anything is loaded or sent."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from cli.errors import MEANINGS, ExitCode

TEXT = "a dog that sits"
NOWHERE = ("--server", "http://127.0.0.1:1")  # nothing must be sent


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["none.png", TEXT], ExitCode.BAD_PHOTO, "no photo none.png"),
        ([TEXT, "dog.png"], ExitCode.BAD_PHOTO, "Photos come first"),
        (["dog.png"], ExitCode.USAGE, "PHOTO"),
        (["*.gif", TEXT], ExitCode.BAD_PHOTO, "No file matches"),
        (["empty/", TEXT], ExitCode.BAD_PHOTO, "no photo in empty/"),
        (["dog.png", TEXT, "-o", "after.gif"], ExitCode.USAGE, "PNG, WebP or JPEG"),
        (["dog.png", TEXT, "-o", "dog.png"], ExitCode.USAGE, "replace the photo"),
        (["holiday", TEXT, "-o", "after.png"], ExitCode.USAGE, "give a folder"),
        (["holiday", TEXT, "-o", "-"], ExitCode.USAGE, "give a folder"),
        (["dog.png", "dog.jpg", TEXT], ExitCode.USAGE, "separate runs"),
        (["dog.png", TEXT, "--strength", "high"], ExitCode.USAGE, "0.4,0.7,1"),
        (["dog.png", TEXT, "--strength", "1,1"], ExitCode.USAGE, "twice"),
        (["dog.png", TEXT, "-p", "steps"], ExitCode.USAGE, "NAME=VALUE"),
        (["dog.png", TEXT, "--seed", "1", "-p", "seed=2"], ExitCode.USAGE, "twice"),
        (["dog.png", TEXT, "--format", "gif"], ExitCode.USAGE, "png, webp or jpeg"),
        (["dog.png", TEXT, "--format", "png", "-o", "a.jpg"], ExitCode.USAGE, "contradicts"),
        (["-", TEXT, "--strength", "0.4,1"], ExitCode.USAGE, "one image"),
        (["-", TEXT, "--json"], ExitCode.USAGE, "give -o"),
        (["-", TEXT, "--compare"], ExitCode.USAGE, "give -o"),
        (["-", "dog.png", TEXT, "-o", "new/"], ExitCode.USAGE, "alone"),
        (["dog.png", TEXT, "--device", "cpu"], ExitCode.USAGE, "--device"),
    ],
)
def test_a_wrong_argument_is_named(
    baret: Any, photo: Path, folder: Path, arguments: list[str], status: ExitCode, said: str
) -> None:
    Path("empty").mkdir()
    Path("dog.jpg").write_bytes(photo.read_bytes())
    done = baret("edit", *arguments, *NOWHERE)
    assert (done.status, done.out) == (status, b""), done.err
    assert said in " ".join(done.err.replace("│", " ").split())
    assert not Path("edited").exists()


def test_nothing_piped_in_is_said_at_once(baret: Any) -> None:
    done = baret("edit", "-", TEXT, *NOWHERE, terminal=True)
    assert (done.status, "nothing is piped" in done.err) == (ExitCode.BAD_PHOTO, True)
    done = baret("edit", "-", TEXT, *NOWHERE)
    assert (done.status, "empty" in done.err) == (ExitCode.BAD_PHOTO, True)


def test_help_has_examples_and_every_exit_code(baret: Any) -> None:
    done = baret("edit", "--help")
    text = done.out.decode()
    assert done.status == 0 and "Examples:" in text
    for code, meaning in MEANINGS.items():
        assert f"{code.value:>3}  {meaning}" in text
    for command in (
        *(["models"], ["up"], ["worker"], ["doctor"], ["bench"], ["batch"], ["mcp"]),
        ["model", "check"],
    ):
        assert "Examples:" in baret(*command, "--help").out.decode()
    assert baret("--version").out.startswith(b"baret ")


def test_paragraphs_of_help_flow_and_examples_keep_their_lines(baret: Any) -> None:
    text = baret("batch", "--help").out.decode()
    assert "\b" not in text
    ends = [line.rstrip() for line in text.splitlines()]
    first = next(n for n, line in enumerate(ends) if "A line is" in line)
    paragraph = ends[first : ends.index("", first)]
    # Only the last line of a paragraph may end where the next word would still have had room.
    for line, following in pairwise(paragraph):
        assert len(line) + 1 + len(following.split()[0]) > 79
    assert "   baret batch spring.jsonl --images edited/" in text


def test_a_shell_can_complete_commands(baret: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = baret("--show-completion", "bash")
    assert done.status == 0 and "_BARET_COMPLETE" in done.out.decode()
