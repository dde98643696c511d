"""When webhooks are tried again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from housekeeper.retry import retry_after

# docs/api.md, "Webhooks": 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h with jitter.
MINUTE, HOUR = 60, 3600
PAUSES = [5, 5 * MINUTE, 30 * MINUTE] + [hours * HOUR for hours in (2, 5, 10, 14, 20, 24)]


@pytest.mark.parametrize("answer", [None, httpx.Response(500), httpx.Response(302)])
def test_the_pauses_follow_the_schedule_and_end(answer: httpx.Response | None) -> None:
    pauses = [retry_after(tries, answer) for tries in range(1, 10)]
    assert pauses == [pytest.approx(pause, rel=0.1) for pause in PAUSES]
    assert retry_after(10, answer) is None


def test_pauses_differ_so_that_receivers_are_not_met_by_all_at_once() -> None:
    assert len({retry_after(1, None) for _ in range(20)}) > 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299, 410])
def test_success_and_gone_are_not_tried_again(status: int) -> None:
    assert retry_after(1, httpx.Response(status)) is None


@pytest.mark.parametrize("status", [301, 400, 401, 404, 408, 409, 429, 500, 503])
def test_every_other_answer_is_tried_again(status: int) -> None:
    assert retry_after(1, httpx.Response(status)) is not None


def test_a_longer_pause_that_the_receiver_wants_is_kept() -> None:
    assert retry_after(1, httpx.Response(503, headers={"retry-after": "900"})) == 900


def test_a_date_that_the_receiver_wants_is_kept() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=15), usegmt=True)
    pause = retry_after(1, httpx.Response(503, headers={"retry-after": date}))
    assert pause == pytest.approx(15 * MINUTE, abs=2)  # a date has whole seconds


@pytest.mark.parametrize(
    "wanted", ["0", "-5", "soon", "", "Fri, 31 Dec 1999 23:59:59 GMT", "Mon, 1 Jan 0000 00:00"]
)
def test_a_shorter_or_unreadable_wish_changes_nothing(wanted: str) -> None:
    pause = retry_after(1, httpx.Response(503, headers={"retry-after": wanted}))
    assert pause == pytest.approx(5, rel=0.1)


def test_no_receiver_delays_its_webhook_beyond_the_longest_pause() -> None:
    assert retry_after(1, httpx.Response(503, headers={"retry-after": "9" * 12})) == 24 * HOUR
