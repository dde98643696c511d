"""Paths, commands, names and links in the documents lead to what is there."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.doc_tables import DOCS, TESTS

ROOT = TESTS.parent
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *DOCS.glob("decisions/*.md")])
# Made by running, or named as what a user has.
NOT_IN_THE_TREE = ("build/", "data/", "valkey/", "pictures/", "sample/")

_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"\.?[\w-]+/[\w./*-]*")
_NAME = re.compile(r"[a-z_]+(?:\.\w+)+")
_LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)")


def _text(page: Path) -> str:
    """The page; of the changelog its newest section, since older ones name what was."""
    text = page.read_text("utf-8")
    return "\n".join(text.split("\n## ")[:2]) if page.name == "CHANGELOG.md" else text


@cache
def _folders() -> frozenset[str]:
    return frozenset(path.name for path in ROOT.iterdir() if path.is_dir())


def _files_of(module: str) -> list[Path]:
    """The files of a module named in full, or by the last part of its name in baret."""
    path = ROOT / module.replace(".", "/")
    if path.is_dir():
        return sorted(path.rglob("*.py"))
    if path.with_suffix(".py").is_file():
        return [path.with_suffix(".py")]
    return [] if "." in module else sorted((ROOT / "baret").rglob(f"{module}.py"))


def _leads_nowhere(name: str) -> bool:
    """Whether a dotted name begins with a module of ours that lacks the rest of it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        files = _files_of(".".join(parts[:length]))
        if files:
            code = "\n".join(file.read_text("utf-8") for file in files)
            return not all(re.search(rf"\b{part}\b", code) for part in parts[length:])
    return parts[0] in _folders()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_in_a_page_exists(page: Path) -> None:
    paths = [span for span in _CODE.findall(_text(page)) if _PATH.fullmatch(span)]
    ours = [p for p in paths if p.split("/")[0] in _folders() and not p.startswith(NOT_IN_THE_TREE)]
    assert [path for path in ours if not list(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_page_can_be_run(page: Path) -> None:
    today = re.sub(r"\(w(?:as|ere)\s[^)]*\)", "", _text(page))  # not "(was `python -m …`)"
    modules = re.findall(r"python -m ([\w.]+)", today)
    paths = [ROOT / module.replace(".", "/") for module in modules]
    missing = [
        path.relative_to(ROOT)
        for path in paths
        if not (path / "__main__.py").is_file() and not path.with_suffix(".py").is_file()
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_of_ours_in_a_page_exists(page: Path) -> None:
    names = [span for span in _CODE.findall(_text(page)) if _NAME.fullmatch(span)]
    assert [name for name in names if _leads_nowhere(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_in_a_page_leads_somewhere(page: Path) -> None:
    broken = []
    for path, anchor in _LINK.findall(_text(page)):
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(f"{path}#{anchor}")
    assert broken == []


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
