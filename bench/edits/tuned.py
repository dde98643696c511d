"""The best setting of each method, found on the tuning split and stored in tuned.json."""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.common.files import write_json
from bench.edits import tables
from bench.edits.batch import Method
from bench.edits.evaluation import Bench, OnDone, Row, evaluate
from bench.edits.model import BatchModel

TUNED = Path(__file__).with_name("tuned.json")
SHOWN = ("right", "joint", "changed", "kept", "drawn", "psnr")  # of every try


class NotTunedError(Exception):
    """A method has not been tuned for this model, or its settings have changed since."""


def tune(bench: Bench, name: str, method: Method[Any], on_done: OnDone) -> dict[str, Any]:
    """Try every setting; the best has the most right edits, then the best drawn animals.

    Returns:
        The entry for `tuned.json`: the index of the best one, and the figures of all.
    """
    tries = []
    with bench.model.remembering():
        for options in method.tries:
            rows = evaluate(bench, name, method, options, on_done)
            tries.append({"options": _plain(options), **_means(rows)})
    best = max(range(len(tries)), key=lambda i: (tries[i]["right"], tries[i]["drawn"]))
    return {"try": best, "edits": len(bench.tasks), "tries": tries}


def _means(rows: list[Row]) -> dict[str, float]:
    columns = [column for column in tables.COLUMNS if column.name in SHOWN]
    return {
        column.name: round(float(np.mean([column.value(row) for row in rows])), 4)
        for column in columns
    }


def _plain(options: Any) -> Any:
    """Return the options as JSON represents them."""
    return json.loads(json.dumps(asdict(options)))


def _complete(options: Any, stored: dict[str, Any]) -> dict[str, Any]:
    """Return stored options with the defaults of the fields that were added since."""
    completed = dict(stored)
    for field in fields(options):
        own = getattr(options, field.name)
        if field.name not in stored and own == field.default:
            completed[field.name] = json.loads(json.dumps(own))
        elif is_dataclass(own) and isinstance(stored.get(field.name), dict):
            completed[field.name] = _complete(own, stored[field.name])
    return completed


def write(entries: Mapping[str, dict[str, Any]], identity: str, path: Path) -> None:
    """Add entries to the file; those of another model are dropped."""
    before: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    methods = before.get("methods", {}) if before.get("model") == identity else {}
    methods = dict(sorted({**methods, **entries}.items()))
    write_json(path, {"model": identity, "methods": methods})


def best(name: str, method: Method[Any], identity: str, path: Path) -> Any:
    """Return the best setting.

    Raises:
        NotTunedError: there is none for this model and these settings.
    """
    data: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    entry = data.get("methods", {}).get(name)
    if data.get("model") != identity or entry is None:
        raise NotTunedError(
            f"{name} has not been tuned for this model: python -m bench.edits --tune "
            f"--split tuning --methods {name}"
        )
    stored = [one["options"] for one in entry["tries"]]
    unchanged = len(stored) == len(method.tries) and all(
        _complete(options, one) == _plain(options)
        for options, one in zip(method.tries, stored, strict=True)
    )
    if not unchanged:
        raise NotTunedError(
            f"The settings of {name} have changed since it was tuned; tune it again."
        )
    return method.tries[entry["try"]]


def settings(
    methods: Mapping[str, Method[Any]], model: BatchModel, path: Path, split: str
) -> dict[str, Any]:
    """Return the best setting of every method; on the tuning split, else the first one.

    Raises:
        NotTunedError: a method has not been tuned and the split is another one.
    """
    chosen = {}
    for name, method in methods.items():
        try:
            chosen[name] = best(name, method, model.model.identity, path)
        except NotTunedError:
            if split != "tuning":
                raise
            chosen[name] = method.tries[0]
    return chosen
