"""`baret doctor` on this machine, with a real Valkey."""

import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis


@pytest.fixture(autouse=True)
def environment(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", redis_url)
    monkeypatch.setenv("BARET_DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def evicting(redis_url: str) -> Iterator[None]:
    """Let the server forget keys when its memory is full."""
    with redis.Redis.from_url(redis_url) as client:
        before = client.config_get("maxmemory-policy")["maxmemory-policy"]  # type: ignore[index]
        client.config_set("maxmemory-policy", "allkeys-lru")
        yield
        client.config_set("maxmemory-policy", before)


def found(baret: Any, status: int) -> dict[str, dict[str, str]]:
    """Return the findings by name."""
    done = baret("doctor", "--json")
    assert done.status == status, done.out
    return {one["name"]: one for one in done.objects}


def wrong(findings: dict[str, dict[str, str]]) -> set[str]:
    return {name for name, one in findings.items() if one["state"] == "wrong"}


def test_a_machine_that_works_is_called_so(baret: Any, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    findings = found(baret, 0)
    expected = {"Python", "packages", "memory", "disk", "Redis", "clock", "image storage"}
    expected |= {"GPU", "models"}
    assert findings.keys() == expected
    done = baret("doctor")
    assert all(line[0] in "✓! " for line in done.lines)


def test_a_redis_that_is_away_or_forgets_is_wrong(
    baret: Any, evicting: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = found(baret, 1)
    assert wrong(findings) == {"Redis"} and "noeviction" in findings["Redis"]["todo"]
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:1")
    findings = found(baret, 1)
    assert wrong(findings) == {"Redis"} and "REDIS_URL" in findings["Redis"]["todo"]
    assert "secret" not in str(findings)


def test_without_a_redis_the_stack_would_bring_its_own(
    baret: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert "baret up" in found(baret, 0)["Redis"]["detail"]


def test_a_folder_that_is_none_and_a_wrong_setting_are_named(
    baret: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").write_text("a file")
    assert "image storage" in wrong(found(baret, 1))
    monkeypatch.setenv("BARET_DEVICE", "cuda:7")
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "BARET_DEVICE=cuda:7" in found(baret, 1)["GPU"]["detail"]
    monkeypatch.setenv("BARET_QUEUE_LIMIT", "hunter2")
    findings = found(baret, 1)
    assert "BARET_QUEUE_LIMIT" in findings["settings"]["detail"]
    assert "hunter2" not in str(findings)


def test_a_full_disk_is_wrong(baret: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", ("total", "used", "free"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**40, 2**40, 2**20))
    assert wrong(found(baret, 1)) == {"disk"}
