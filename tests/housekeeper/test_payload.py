"""A webhook's body is under 20 kB, whatever the edit holds."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from core.images.signed_urls import LinkSigner
from core.schema import (
    EditStatus,
    EditWarning,
    Metrics,
    Record,
    Result,
    StoredImage,
    Submission,
    WarningCode,
    WebhookEvent,
)
from core.webhooks.queue import Delivery
from core.webhooks.schema import WebhookBody
from housekeeper.payload import webhook_body

MakeSubmission = Callable[..., Submission]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ETAS = [i / 7 for i in range(8)]  # the maximum number of outputs
# One character takes at most six bytes in JSON, like this one.
DEAR = "\x01"


def make_image(name: str, strength: float | None = None) -> StoredImage:
    return StoredImage(
        name=name,
        strength=strength,
        width=4096,
        height=4096,
        content_type="image/png",
        sha256="f" * 64,
        bytes=20_000_000,
    )


# About the photo, a parameter or an output, and not about words of the prompt: their sentences
# repeat no words, and are shorter.
WITHOUT_WORDS = (
    WarningCode.OUTSIDE_THE_MODELS_WORLD,
    WarningCode.DETAIL_NOT_LEARNED,
    WarningCode.TEXT_NOT_SHOWN,
)


def result(letter: str) -> Result:
    """Return the largest result that a worker can publish."""
    return Result(
        outputs=[make_image(f"1-output-{i}.png", eta) for i, eta in enumerate(ETAS)],
        artifacts={
            kind: make_image(f"1-{kind}.png")
            for kind in ("reconstruction", "transition", "attention")
        },
        warnings=[
            EditWarning(
                code=code,
                detail="x" * (300 if code in WITHOUT_WORDS else 900),
                words=[] if code in WITHOUT_WORDS else [letter * 40] * 20,
            )
            for code in WarningCode
        ],
        metrics=Metrics(inner_steps=7),
    )


def body_of(submission: Submission, letter: str = "x") -> dict[str, Any]:
    record = Record(
        submission=submission,
        status=EditStatus.SUCCEEDED,
        queued_at=NOW,
        started_at=NOW,
        completed_at=NOW,
        result=result(letter),
    )
    due = Delivery(
        id="msg_1_succeeded",
        subject_id=submission.id,
        type=WebhookEvent.SUCCEEDED,
        url="https://hooks.example",
        caller="local",
        receiver="https://hooks.example",
        created_at=NOW,
        tries=1,
        taken=1,
    )
    text = webhook_body(due, record, LinkSigner(b"s" * 32))
    assert len(text.encode()) < 20_000
    WebhookBody.model_validate_json(text)
    body: dict[str, Any] = json.loads(text)
    return body


def metadata(letter: str, length: int) -> dict[str, str]:
    return {f"{i:02}" + letter * (length - 2): letter * length for i in range(16)}


def test_an_ordinary_large_edit_is_told_whole(submission: MakeSubmission) -> None:
    body = body_of(submission(strength=ETAS, metadata=metadata("x", 200)))
    assert set(body) == {"type", "timestamp", "data"}
    assert len(body["data"]["outputs"]) == 8
    assert len(body["data"]["metadata"]) == 16


def test_the_callers_own_metadata_gives_way_first_and_that_is_said(
    submission: MakeSubmission,
) -> None:
    body = body_of(submission(strength=ETAS, metadata=metadata("x", 512)))
    assert body["omitted"] == ["metadata"]
    assert body["data"]["metadata"] == {}
    assert len(body["data"]["outputs"]) == 8
    assert body["data"]["artifacts"]["transition"] is not None


@pytest.mark.parametrize("letter", ["x", "é", "漢", "😀", '"', DEAR])
def test_the_most_that_an_edit_can_hold_is_told_in_what_fits(
    submission: MakeSubmission, letter: str
) -> None:
    made = submission(
        strength=ETAS,
        metadata=metadata(letter, 512),
        webhook_url="https://x/" + letter * 2038,
    ).model_copy(update={"prompt": letter * 1000})
    body = body_of(made, letter)
    assert (body["data"]["id"], body["data"]["status"]) == (made.id, "succeeded")
    assert body["omitted"][0] == "metadata"


def test_a_host_header_of_any_length_does_not_count(submission: MakeSubmission) -> None:
    made = submission(strength=ETAS).model_copy(update={"base_url": "http://" + "h" * 50_000})
    assert body_of(made)["data"]["urls"]["self"] == f"/v1/edits/{made.id}"
