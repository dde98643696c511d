"""Which tests hold the code blocks of the pages, and which blocks nothing can run here."""

from tests.support.commands import ROOT
from tests.support.doc_code import AnyBlock, every_block

PAGES = [
    "README.md",
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    "client/README.md",
    "client/js/README.md",
]

_MAKE = "tests/deploy/local/test_real_stack.py starts the same stack"
_GPU = "loads a model of 2 GB, which needs a GPU and a hub"
_COMPILER = (
    "no compiler for it is at hand; tests/api/submission/test_mobile_apps.py replays its requests"
)
_PACKAGES = "installs packages; tests/deploy/test_supply.py checks that the extra has pins"
_DRAWING = "a drawing, not code"
_LONG = "runs the tests themselves"

# Page and how a block begins → why it is not run.
NOT_RUN = {
    ("README.md", "git clone <this repository> baret && cd baret"): _MAKE,
    ("README.md", "make test"): _LONG,
    (
        "README.md",
        "BARET_MODEL=stable-diffusion-v1-5/stable-diffusion-v1-5 make run",
    ): _GPU,
    (
        "docs/architecture.md",
        "client ──HTTP──▶ api",
    ): _DRAWING,
    (
        "docs/architecture.md",
        "core/            what api, worker and housekeeper share; no torch",
    ): _DRAWING,
    ("docs/architecture.md", "api, housekeeper, deploy.local        ▶ core"): _DRAWING,
    ("docs/deploy.md", ".venv/bin/pip install -c constraints.txt -e '.[c2pa]'"): _PACKAGES,
    ("docs/deploy.md", ".venv/bin/pip install -c constraints.txt -e '.[tracing]'"): _PACKAGES,
    (
        "docs/deploy.md",
        "BARET_MODEL=stable-diffusion-v1-5/stable-diffusion-v1-5 make run",
    ): _GPU,
    (
        "docs/deploy.md",
        "BARET_DEVICE=cuda:1 BARET_MODEL=/models/photo.safetensors REDIS_URL=… python -m worker",
    ): _GPU,
    ("docs/performance.md", "python -m bench.service.cold_start"): (
        "takes a minute; tests/bench/service/test_cold_start.py runs it once"
    ),
    (
        "docs/reliability.md",
        "make faults",
    ): _LONG,
    ("docs/scale.md", "python -m bench.service.redis_cost"): (
        "takes minutes; tests/bench/service/test_redis_cost.py runs it with fewer edits"
    ),
    ("docs/scale.md", "pytest -s tests/faults/test_machines.py"): _LONG,
    ("docs/scale.md", "(waiting edits + running edits)"): "a formula, not code",
    ("docs/start.md", "git clone <this repository> baret && cd baret"): _MAKE,
    (
        "docs/start.md",
        "BARET_MODEL=stable-diffusion-v1-5/stable-diffusion-v1-5 make run",
    ): _GPU,
    ("docs/mobile.md", "import Foundation"): _COMPILER,
    (
        "docs/mobile.md",
        "func edit(_ upload: Upload",
    ): _COMPILER,
    (
        "docs/mobile.md",
        "class UploadWorker",
    ): _COMPILER,
    ("docs/mobile.md", "val form = MultipartBody.Builder()"): _COMPILER,
    ("docs/mobile.md", "import 'dart:io';"): _COMPILER,
}

# Page and language → the test file, below tests/, that runs or checks each of its other blocks.
HELD = {
    ("README.md", "python"): "examples/test_first_pages.py",
    ("README.md", "sh"): "examples/test_commands.py",
    ("docs/api.md", "sh"): "examples/test_commands.py",
    ("docs/api.md", "json"): "examples/test_api_page.py",
    ("docs/api.md", ""): "examples/test_api_page.py",
    ("docs/cli.md", "sh"): "examples/test_cli_page.py",
    ("docs/client.md", "python"): "examples/test_client_page.py",
    ("docs/deploy.md", "indented"): "examples/test_commands.py",
    ("docs/deploy.md", "console"): "examples/test_deploy_page.py",
    ("docs/deploy.md", "yaml"): "examples/test_deploy_page.py",
    ("docs/deploy.md", "ini"): "examples/test_deploy_page.py",
    ("docs/deploy.md", "acl"): "e2e/test_redis_access.py",
    ("docs/openai.md", "python"): "examples/test_openai_page.py",
    ("docs/openai.md", "json"): "examples/test_openai_page.py",
    ("docs/openai.md", "yaml"): "e2e/test_litellm.py",
    ("docs/cli.md", "json"): "examples/test_cli_page.py",
    ("docs/mobile.md", "python"): "examples/test_mobile_page.py",
    ("docs/mobile.md", "ts"): "examples/test_typescript.py",
    ("docs/recipes.md", "python"): "examples/test_recipes_page.py",
    ("docs/recipes.md", "sh"): "examples/test_recipes_page.py",
    ("docs/recipes.md", "js"): "examples/test_recipes_page.py",
    ("docs/runbook.md", "sh"): "examples/test_runbook.py",
    ("docs/runbook.md", "console"): "examples/test_runbook.py",
    ("docs/start.md", "python"): "examples/test_first_pages.py",
    ("docs/start.md", "sh"): "examples/test_commands.py",
    ("docs/start.md", "js"): "examples/test_commands.py",
    ("client/README.md", "python"): "examples/test_first_pages.py",
    ("client/js/README.md", "ts"): "examples/test_typescript.py",
    ("client/js/README.md", "sh"): "examples/test_commands.py",
}


def reason_not_to_run(block: AnyBlock) -> str | None:
    """Return why a block is not run; None if it is."""
    for (page, start), reason in NOT_RUN.items():
        if block.page == page and block.first_line.startswith(start):
            return reason
    return None


def blocks_held_by(test: str) -> list[AnyBlock]:
    """Return the blocks that a test file, below tests/, must run or check."""
    return [
        block
        for page in PAGES
        for block in every_block(page)
        if HELD.get((page, block.language)) == test and reason_not_to_run(block) is None
    ]
