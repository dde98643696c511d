"""Reports and other files, written whole or not at all."""

import json
from pathlib import Path
from typing import Any


def write_whole(path: Path, text: str) -> None:
    """Write a file so that no reader sees half of it; make its folder if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)


def write_json(path: Path, data: Any) -> None:
    """Write data as indented JSON."""
    write_whole(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def write_report(path: Path, data: Any, page: str) -> None:
    """Write PATH.json and PATH.md."""
    write_json(path.with_name(path.name + ".json"), data)
    write_whole(path.with_name(path.name + ".md"), page)
