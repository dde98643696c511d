"""`baret keys` as an operator runs it, on a real Valkey."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.access.api_keys import Keyring, id_of, is_key
from core.errors import KeyRevoked
from core.store.connection import connect

Completed = subprocess.CompletedProcess[str]
Run = Callable[..., Completed]


@pytest.fixture
def baret(redis_url: str, tmp_path: Path) -> Run:
    """Run the command as the installed script does."""

    def run(*arguments: str, expected: int = 0, redis: str = redis_url) -> Completed:
        done = subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            # A wide terminal without colors, wherever the tests run.
            env={
                "PATH": "",
                "COLUMNS": "200",
                "NO_COLOR": "1",
                "REDIS_URL": redis,
                "BARET_DATA_DIR": str(tmp_path),
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
            check=False,
        )
        assert done.returncode == expected, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


@pytest.fixture
def keys(redis_url: str) -> Iterator[Keyring]:
    with connect(redis_url) as client:
        yield Keyring(client)


def test_a_key_for_metrics_is_made_and_listed_as_one(baret: Run, keys: Keyring) -> None:
    text = baret("keys", "create", "prometheus", "--metrics").stdout.strip()
    baret("keys", "create", "web")
    assert keys.authenticate(text).metrics
    assert [key.metrics for key in keys.all()] == [True, False]
    header, prometheus, web = baret("keys", "list").stdout.splitlines()
    column = header.index("metrics")
    assert (prometheus[column:][:3], web[column:][:3].strip()) == ("yes", "-")


def test_a_key_is_shown_once_alone_on_standard_output(baret: Run, keys: Keyring) -> None:
    done = baret("keys", "create", "web", "--requests-per-minute", "5", "--edits-in-flight", "2")
    text = done.stdout.removesuffix("\n")
    assert is_key(text)
    key = keys.authenticate(text)
    assert (key.name, key.requests_per_minute, key.edits_in_flight) == ("web", 5, 2)
    assert key.id in done.stderr
    assert text not in done.stderr + baret("keys", "list").stdout


def test_keys_are_listed_as_they_stand(baret: Run, keys: Keyring) -> None:
    first = id_of(baret("keys", "create", "web").stdout.strip())
    second = id_of(baret("keys", "create", "web 2", "--replaces", first).stdout.strip())
    keys.revoke(first)
    head, *rows = [line.split("  ") for line in baret("keys", "list").stdout.splitlines()]
    assert head[0].startswith("id")
    assert [row[0] for row in rows] == [first, second]
    listed = [json.loads(line) for line in baret("keys", "list", "--json").stdout.splitlines()]
    assert [one["name"] for one in listed] == ["web", "web 2"]
    assert [one["caller"] for one in listed] == [first, first]
    assert [bool(one["revoked_at"]) for one in listed] == [True, False]


@pytest.mark.parametrize("by", ["id", "key"])
def test_a_key_is_revoked_by_its_id_or_by_itself(baret: Run, keys: Keyring, by: str) -> None:
    text = baret("keys", "create", "web").stdout.strip()
    done = baret("keys", "revoke", id_of(text) if by == "id" else text)
    assert id_of(text) in done.stdout
    assert text not in done.stdout + done.stderr
    with pytest.raises(KeyRevoked):
        keys.authenticate(text)


def test_what_goes_wrong_is_told_in_a_sentence(baret: Run) -> None:
    assert "no such key" in baret("keys", "revoke", "key_0", expected=1).stderr
    assert "no such key" in baret("keys", "create", "x", "--replaces", "key_0", expected=1).stderr
    unreachable = baret("keys", "list", expected=1, redis="redis://127.0.0.1:1/0")
    assert "Redis does not answer" in unreachable.stderr
    assert "REDIS_URL" in baret("keys", "list", expected=1, redis="").stderr
    assert baret("keys", "create", "x", "--edits-in-flight", "0", expected=2)
    assert "create" in baret("keys", expected=2).stdout
