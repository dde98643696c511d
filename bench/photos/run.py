"""Edit every task with every method; each edit is stored at once, so that a run resumes."""

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
from bench.common.files import write_whole
from bench.photos.datasets import Task
from bench.photos.judge import Judge, JudgeOptions, Scores
from bench.photos.methods import Method


@dataclass(frozen=True)
class Record:
    """One edit with its scores."""

    method: str
    key: str
    kind: str
    prompt: str
    seconds: float  # of the edit alone
    edit_fingerprint: str  # of everything that the image depends on
    scores_fingerprint: str  # of everything that the scores depend on, the image included
    scores: Scores


@dataclass(frozen=True)
class Bench:
    """The model, the metrics and the folder of a run."""

    editor: Editor
    judge: Judge
    judge_options: JudgeOptions
    folder: Path  # for images and records

    def image_path(self, task: Task, method: Method) -> Path:
        """Return the path of the edited image."""
        return self.folder / method.name / f"{task.key}.png"


def run(
    bench: Bench, tasks: Sequence[Task], methods: Sequence[Method], log: Callable[[str], None]
) -> list[Record]:
    """Edit and score everything that is not stored yet.

    Args:
        bench: model, metrics and folder.
        tasks: of one dataset.
        methods: with different names.
        log: called with a line after each edit.
    """
    records: list[Record] = []
    started, total = time.monotonic(), len(tasks) * len(methods)
    new = 0
    for task in tasks:
        photo = task.photo()
        for method in methods:
            record, was_stored = _edit_and_score(bench, task, method, photo)
            records.append(record)
            new += not was_stored
            left = total - len(records)
            minutes = (time.monotonic() - started) / max(new, 1) * left / 60
            log(
                f"{len(records)}/{total} {method.name} {task.key}: "
                + ("done before" if was_stored else f"{record.seconds:.1f} s")
                + f", CLIP {record.scores.clip_whole:.1f}, LPIPS {record.scores.lpips:.3f}; "
                + (f"about {minutes:.0f} min left" if new else f"{left} left")
            )
    return records


def _edit_and_score(
    bench: Bench, task: Task, method: Method, photo: Image.Image
) -> tuple[Record, bool]:
    """Return the record of one edit, and whether it was stored already."""
    image_path = bench.image_path(task, method)
    record_path = image_path.with_suffix(".json")
    edit_fingerprint = fingerprint(
        _code(Path(baret.__file__).parent, Path(__file__).with_name("methods.py")),
        bench.editor.model.identity,
        str(bench.editor.model.dtype),
        method.name,
        method.settings(task),
        task.prompt,
        photo.tobytes(),
    )
    scores_fingerprint = fingerprint(
        edit_fingerprint,
        _code(*(Path(__file__).with_name(f"{name}.py") for name in _SCORING)),
        repr(bench.judge_options),
        repr(task.caption),
        repr(task.mask_runs),
    )
    old = _read(record_path)
    if old is not None and image_path.is_file() and old.edit_fingerprint == edit_fingerprint:
        if old.scores_fingerprint == scores_fingerprint:
            return old, True
        edited, seconds = Image.open(image_path).convert("RGB"), old.seconds
    else:
        started = time.perf_counter()
        edited = method.edit(bench.editor, photo, task)
        seconds = time.perf_counter() - started
        image_path.parent.mkdir(parents=True, exist_ok=True)
        record_path.unlink(missing_ok=True)  # a record must not outlive its image
        edited.save(image_path)
    scores = bench.judge.score(task, photo, edited)
    record = Record(
        method=method.name,
        key=task.key,
        kind=task.kind,
        prompt=task.prompt,
        seconds=seconds,
        edit_fingerprint=edit_fingerprint,
        scores_fingerprint=scores_fingerprint,
        scores=scores,
    )
    write_whole(record_path, json.dumps(asdict(record), indent=1))
    return record, False


_SCORING = ("judge", "clip", "structure", "lpips", "pixel_metrics", "datasets")


def fingerprint(*parts: str | bytes) -> str:
    """Return the SHA-256 of the parts, each with its length."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def _code(*paths: Path) -> bytes:
    """Return the Python sources of files and folders, since other code makes other images."""
    sources = [file for path in paths for file in (sorted(path.rglob("*.py")) or [path])]
    return b"\0".join(file.read_bytes() for file in sources)


def _read(path: Path) -> Record | None:
    try:
        data: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return replace(Record(**data), scores=Scores(**data["scores"]))
    except (OSError, ValueError, TypeError, KeyError):  # missing, or of another version
        return None
