"""The compiled TypeScript client, and the real application that it talks to."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import finish, keys, make_key, serving, settings
from tests.support.node_tools import build_client, node_tools, run

__all__ = ["finish", "keys", "make_key", "node_tools", "settings"]


@pytest.fixture
def server(settings: Settings, store: EditStore, model: Model) -> Iterator[str]:
    """Yield the address of a service with a live worker of the model `zoo`."""
    store.announce("worker-1", model)
    with serving(settings) as address:
        yield address


@pytest.fixture(scope="module")
def package(node_tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the compiled package, as npm would install it."""
    return build_client(tmp_path_factory.mktemp("js") / "node_modules", node_tools)


@pytest.fixture
def node(package: Path, tmp_path: Path) -> Callable[..., object]:
    """Return a function: run a module's text with `args`, and return what it writes as JSON."""

    def run_module(text: str, *args: str) -> object:
        folder = package.parents[1]
        module = folder / f"{tmp_path.name}.mjs"
        module.write_text(
            'import * as baret from "baret-client";\n'
            "const args = process.argv.slice(2);\n"
            "const answer = (value) => console.log(JSON.stringify(value));\n" + text
        )
        done = run("node", module, *args, folder=folder)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run_module
