"""Each method's best setting, found on the tuning split and written down."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bench.edits.batch import Method
from bench.edits.run import Bench, OnDone, Row, evaluate

TUNED = Path(__file__).with_name("tuned.json")


class NotTunedError(Exception):
    """A method has no setting for this model, or its settings have changed since."""


def tune(bench: Bench, name: str, method: Method[Any], on_done: OnDone) -> dict[str, Any]:
    """Try every setting; the best has the highest joint success, then the highest PSNR.

    Returns:
        For `tuned.json`: which one it is, and how each did.
    """
    tries = []
    with bench.model.remembering():
        for options in method.tries:
            rows = evaluate(bench, name, method, options, on_done)
            tries.append({"options": _plain(options), **_means(rows)})
    best = max(range(len(tries)), key=lambda i: (tries[i]["joint"], tries[i]["psnr"]))
    return {"try": best, "edits": len(bench.tasks), "tries": tries}


def _means(rows: list[Row]) -> dict[str, float]:
    return {
        name: round(float(np.mean([getattr(row.quality, name) for row in rows])), 4)
        for name in ("joint", "changed", "kept", "psnr")
    }


def _plain(options: Any) -> Any:
    """The options as JSON has them."""
    return json.loads(json.dumps(asdict(options)))


def write(found: Mapping[str, dict[str, Any]], identity: str, path: Path) -> None:
    """Write what was found beside what was found before for the same model."""
    before: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    methods = before.get("methods", {}) if before.get("model") == identity else {}
    methods = dict(sorted({**methods, **found}.items()))
    told = {"model": identity, "methods": methods}
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")


def best(name: str, method: Method[Any], identity: str, path: Path) -> Any:
    """The setting that was found best.

    Raises:
        NotTunedError: there is none for this model and these tries.
    """
    told: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    found = told.get("methods", {}).get(name)
    if told.get("model") != identity or found is None:
        raise NotTunedError(
            f"{name} has not been tuned for this model: python -m bench.edits --tune "
            f"--split tuning --methods {name}"
        )
    tries = [_plain(options) for options in method.tries]
    if tries != [one["options"] for one in found["tries"]]:
        raise NotTunedError(f"The tries of {name} have changed since it was tuned; tune it again.")
    return method.tries[found["try"]]
