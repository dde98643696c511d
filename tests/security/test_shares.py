"""Nine callers who take all they can, in every way at once: the tenth is served as ever."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from core.schema import Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.security.measure_shares import MB, Outcome, Sizes, measure
from tests.security.tally import Tally
from tests.support.api_app import serving

# A fifth of the full attack: this is part of every test run.
SMALL = Sizes(
    edits=100,
    large=(4000, 3000),
    alone_seconds=3.0,
    attack_seconds=15.0,
    attack={"conversions": 8, "bombs": 5, "lists_a_second": 2, "streams": 45, "waits": 5},
)


def check(outcome: Outcome, tally: Tally) -> None:
    print(outcome.table())
    for way, answers in outcome.attackers.items():
        for status, count in answers.items():
            outcome_of = "refused" if status in ("0", "503") else int(status)
            tally.count(f"nine callers at once: {way}", outcome_of, count)
    assert outcome.attacked.refused == []
    assert "500" not in {status for count in outcome.attackers.values() for status in count}
    assert outcome.attacked.peak_bytes < 700 * MB


def test_nine_attackers_at_once_get_nobody_else_refused(tmp_path: Path, tally: Tally) -> None:
    outcome = measure(tmp_path, SMALL)
    check(outcome, tally)
    assert all(outcome.attackers[way] for way in ("conversions", "lists", "streams"))


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [Sizes(), Sizes.within_default_limits()], ids=["free", "limited"])
def test_nine_attackers_of_full_size(tmp_path: Path, tally: Tally, sizes: Sizes) -> None:
    outcome = measure(tmp_path, sizes)
    check(outcome, tally)
    if path := os.environ.get("BARET_SHARES_REPORT"):
        Path(path).write_text(outcome.table())


@pytest.fixture
def address_of_few(settings: Settings, store: EditStore, model: Model) -> Callable[[], FastAPI]:
    """Return a function that makes an application with room for eight streams and waits."""
    store.announce("worker-1", model)
    return lambda: create_app(settings.model_copy(update={"streams": 8}))


def test_without_keys_each_address_has_a_share(
    address_of_few: Callable[[], FastAPI],
    settings: Settings,
    store: EditStore,
    submission: Callable[..., object],
    tally: Tally,
) -> None:
    edit = submission()
    store.submit(edit, limit=10)  # type: ignore[arg-type]
    app = address_of_few()
    answers: list[int] = []

    def follow(address: str, host: str) -> None:
        # A proxy on loopback says whose address it is.
        headers = {"X-Forwarded-For": host}
        url = f"{address}/v1/edits/{edit.id}?wait=2"  # type: ignore[attr-defined]
        answer = httpx.get(url, headers=headers, timeout=60, trust_env=False)
        answers.append(answer.status_code)
        tally.count("waits from one address without keys", answer.status_code)

    with serving(settings, app=app) as address:
        many = [threading.Thread(target=follow, args=(address, "192.0.2.1")) for _ in range(20)]
        for thread in many:
            thread.start()
        for thread in many:
            thread.join()
        assert set(answers) == {200, 429} and answers.count(429) >= 8
        answers.clear()
        follow(address, "192.0.2.2")
    assert answers == [200]
