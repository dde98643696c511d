"""The TypeScript of the pages compiles against the client."""

from pathlib import Path

import pytest

from tests.examples.held import blocks_held_by
from tests.support.doc_code import AnyBlock
from tests.support.node_tools import build_client, node_tools, run

__all__ = ["node_tools"]

pytestmark = pytest.mark.node
BLOCKS = blocks_held_by("examples/test_typescript.py")
# What a reader has already: a file, a request, Node's `process`.
AROUND = """
declare const file: Blob;
declare const request: { headers: Record<string, string | undefined> };
declare const rawBody: Uint8Array;
declare const process: { env: Record<string, string | undefined> };
"""


@pytest.fixture(scope="module")
def project(node_tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("typescript")
    build_client(folder / "node_modules", node_tools)
    return folder


@pytest.mark.parametrize("block", BLOCKS, ids=[f"{b.page} {b.first_line}" for b in BLOCKS])
def test_a_block_compiles(block: AnyBlock, project: Path, node_tools: Path) -> None:
    (project / "around.d.ts").write_text(AROUND)
    (project / "block.mts").write_text(block.code)
    strict = ("--strict", "--noEmit", "--target", "es2022", "--module", "nodenext")
    files = ("around.d.ts", "block.mts")
    done = run(
        node_tools / "tsc", *strict, "--lib", "es2023,dom,dom.iterable", *files, folder=project
    )
    assert done.returncode == 0, done.stdout
