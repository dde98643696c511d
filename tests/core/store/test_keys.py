"""Every key as it is spelled in Redis: a Redis filled by an earlier version must stay readable."""

import inspect
import re
from pathlib import Path

import pytest

from core.store import keys

FIXED = {
    "RUNNING": "baret:running",
    "EXPIRING": "baret:expiring",
    "DELETIONS": "baret:erased",
    "IMAGE_BYTES": "baret:image_bytes",
    "RECORD_BYTES": "baret:record_bytes",
    "PREFIX_BYTES": "baret:prefix_bytes",
    "TURN_CLOCKS": "baret:turn_clocks",
    "BATCH_TURN_CLOCKS": "baret:batch_turn_clocks",
    "IN_A_ROW": "baret:in_a_row",
    "BATCHES_DUE": "baret:batches_due",
    "BATCHES_EXPIRING": "baret:batches_expiring",
    "MODELS": "baret:models",
    "WORKERS": "baret:workers",
    "WORKER_VERSIONS": "baret:worker_versions",
    "LOADING": "baret:loading",
    "LAST_SERVED": "baret:last_served",
    "COLD_STARTS": "baret:cold_starts",
    "STANDBY": "baret:standby",
    "LOAD_SECONDS": "baret:load_seconds",
    "LOAD_FAILED": "baret:load_failed",
    "LOAD_ERRORS": "baret:load_errors",
    "ENDED": "baret:ended",
    "STAGE_SECONDS": "baret:spent",
    "ATTEMPTED": "baret:attempted",
    "LANES": "baret:deliveries:lanes",
    "API_KEYS": "baret:keys",
    "RATES": "baret:rates",
}
NAMED = {
    "edit": "baret:edit:a",
    "events": "baret:events:a",
    "waiting": "baret:waiting:a",
    "turns": "baret:turns:a",
    "turn_ends": "baret:turn_ends:a",
    "batch_turns": "baret:batch_turns:a",
    "batch_turn_ends": "baret:batch_turn_ends:a",
    "runs": "baret:runs:a",
    "listing": "baret:edits:a",
    "in_flight": "baret:in_flight:a",
    "expired": "baret:expired:a",
    "sharing": "baret:sharing:a",
    "idempotency": "baret:idempotency:a",
    "lane": "baret:deliveries:due:a",
    "delivery": "baret:delivery:a",
    "delivery_attempts": "baret:delivery:a:attempts",
    "webhook_secrets": "baret:webhook-secrets:a",
    "api_key": "baret:key:a",
    "user_token": "baret:token:a",
    "secret": "baret:secret:a",
    "upload": "baret:upload:a",
    "batch": "baret:batch:a",
    "batch_lines": "baret:batch:a:lines",
    "batches": "baret:batches:a",
    "open_batches": "baret:open_batches:a",
    "batch_edits": "baret:batch_edits:a",
}


@pytest.mark.parametrize(("name", "spelled"), FIXED.items())
def test_a_fixed_key_is_spelled_as_it_always_was(name: str, spelled: str) -> None:
    assert getattr(keys, name) == spelled


@pytest.mark.parametrize(("name", "spelled"), NAMED.items())
def test_a_named_key_is_spelled_as_it_always_was(name: str, spelled: str) -> None:
    assert getattr(keys, name)("a") == spelled


def test_no_key_is_left_out_here() -> None:
    public = {name for name in vars(keys) if not name.startswith("_")}
    functions = {name for name in public if inspect.isfunction(getattr(keys, name))}
    constants = {name for name in public if isinstance(getattr(keys, name), str)}
    assert functions == NAMED.keys() | {"lua_definitions"}
    assert constants == FIXED.keys() | {"PREFIX"}


def test_keys_are_spelled_nowhere_else() -> None:
    root = Path(keys.__file__).parents[2]
    # Quoted, in either language: messages on a terminal begin with "baret: ".
    spelled = re.compile(f"[\"']{keys.PREFIX}[a-z]")
    files = [
        path
        for folder in ("api", "cli", "core", "housekeeper", "worker")
        for path in (root / folder).rglob("*")
        if path.suffix in (".py", ".lua") and spelled.search(path.read_text())
    ]
    assert [path.relative_to(root).as_posix() for path in files] == ["core/store/keys.py"]


def test_scripts_get_the_same_names() -> None:
    lines = keys.lua_definitions().splitlines()
    assert "local deletions_key = 'baret:erased'" in lines
    assert "local function edit_key(name) return 'baret:edit:' .. name end" in lines
    attempts = "return 'baret:delivery:' .. name .. ':attempts' end"
    assert f"local function delivery_attempts_key(name) {attempts}" in lines
