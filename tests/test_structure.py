"""How the house is kept: names that tell modules and classes apart, and tests that stand alone."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "baret", "core", "housekeeper", "worker")
# Modules that every package may have, or that hold their domain's part of the same thing.
SHARED_MODULES = {
    "__init__",
    "__main__",
    "app",  # of FastAPI, of Celery
    "batches",  # the store, the routes
    "edit",  # the resource's schema, the answer that shows it
    "edits",  # the store, the routes
    "errors",
    "events",  # the store, the routes
    "idempotency",  # the store, a POST
    "images",
    "keys",  # of Redis, of the image store
    "metrics",
    "options",
    "uploads",  # the store, the routes
    "webhooks",
}


def test_no_two_modules_share_a_name() -> None:
    places = defaultdict(list)
    for path in _modules(PACKAGES):
        if path.stem not in SHARED_MODULES:
            places[path.stem].append(path.relative_to(ROOT).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_two_public_classes_share_a_name() -> None:
    places = defaultdict(list)
    for path in _modules(PACKAGES):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(path.relative_to(ROOT).as_posix())
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_test_imports_a_test() -> None:
    """What tests share lies in `tests/support`, or beside them in a module that is no test."""
    importing = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in _modules(("tests",))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (module := node.module or "").startswith("tests.")
        if module.rpartition(".")[2].startswith(("test_", "conftest"))
    ]
    assert importing == []


def _modules(packages: tuple[str, ...]) -> Iterator[Path]:
    for package in packages:
        yield from sorted((ROOT / package).rglob("*.py"))
