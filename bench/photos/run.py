"""Every task with every method, each edit and its scores written at once, so that a run resumes."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

import baret
from baret import Editor
from bench.photos.datasets import Task
from bench.photos.judge import Judge, JudgeOptions, Scores
from bench.photos.methods import Method


@dataclass(frozen=True)
class Record:
    """One edit, done and scored."""

    method: str
    key: str
    kind: str
    prompt: str
    seconds: float  # of the edit alone
    edit_made_by: str  # fingerprint of all that the picture depends on
    scores_made_by: str  # fingerprint of all that the scores depend on, the picture too
    scores: Scores


@dataclass(frozen=True)
class Bench:
    """What a run needs besides its tasks."""

    editor: Editor
    judge: Judge
    judge_options: JudgeOptions
    folder: Path  # for pictures and records

    def picture_path(self, task: Task, method: Method) -> Path:
        """Where the edited picture lies."""
        return self.folder / method.name / f"{task.key}.png"


def run(
    bench: Bench, tasks: Sequence[Task], methods: Sequence[Method], tell: Callable[[str], None]
) -> list[Record]:
    """Edit and score what is not there yet.

    Args:
        bench: model, metrics and folder.
        tasks: of one dataset.
        methods: with names of their own.
        tell: called with a line after each edit.
    """
    records: list[Record] = []
    started, total = time.monotonic(), len(tasks) * len(methods)
    fresh = 0
    for task in tasks:
        photo = task.photo()
        for method in methods:
            record, was_there = _one(bench, task, method, photo)
            records.append(record)
            fresh += not was_there
            left = total - len(records)
            minutes = (time.monotonic() - started) / max(fresh, 1) * left / 60
            tell(
                f"{len(records)}/{total} {method.name} {task.key}: "
                + ("done before" if was_there else f"{record.seconds:.1f} s")
                + f", CLIP {record.scores.clip_whole:.1f}, LPIPS {record.scores.lpips:.3f}; "
                + (f"about {minutes:.0f} min left" if fresh else f"{left} left")
            )
    return records


def _one(bench: Bench, task: Task, method: Method, photo: Image.Image) -> tuple[Record, bool]:
    """The record of one edit, and whether all of it was there."""
    picture_path = bench.picture_path(task, method)
    record_path = picture_path.with_suffix(".json")
    edit_made_by = fingerprint(
        _code(Path(baret.__file__).parent, Path(__file__).with_name("methods.py")),
        bench.editor.model.identity,
        str(bench.editor.model.dtype),
        method.name,
        method.settings(task),
        task.prompt,
        photo.tobytes(),
    )
    scores_made_by = fingerprint(
        edit_made_by,
        _code(*(Path(__file__).with_name(f"{name}.py") for name in _SCORING)),
        repr(bench.judge_options),
        repr(task.caption),
        repr(task.runs),
    )
    old = _read(record_path)
    if old is not None and picture_path.is_file() and old.edit_made_by == edit_made_by:
        if old.scores_made_by == scores_made_by:
            return old, True
        edited, seconds = Image.open(picture_path).convert("RGB"), old.seconds
    else:
        started = time.perf_counter()
        edited = method.edit(bench.editor, photo, task)
        seconds = time.perf_counter() - started
        picture_path.parent.mkdir(parents=True, exist_ok=True)
        record_path.unlink(missing_ok=True)  # a record never outlives its picture
        edited.save(picture_path)
    scores = bench.judge.score(task, photo, edited)
    record = Record(
        method=method.name,
        key=task.key,
        kind=task.kind,
        prompt=task.prompt,
        seconds=seconds,
        edit_made_by=edit_made_by,
        scores_made_by=scores_made_by,
        scores=scores,
    )
    write_whole(record_path, json.dumps(asdict(record), indent=1))
    return record, False


_SCORING = ("judge", "clip", "structure", "lpips", "pixels", "datasets")


def fingerprint(*parts: str | bytes) -> str:
    """SHA-256 of the parts, each with its length."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def _code(*places: Path) -> bytes:
    """The Python sources there: another version of a method makes other pictures."""
    found = [f for place in places for f in (sorted(place.rglob("*.py")) or [place])]
    return b"\0".join(file.read_bytes() for file in found)


def _read(path: Path) -> Record | None:
    try:
        told: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return replace(Record(**told), scores=Scores(**told["scores"]))
    except (OSError, ValueError, TypeError, KeyError):  # none, or of another version
        return None


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, "utf-8")
    partial.replace(path)
