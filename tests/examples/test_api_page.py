"""What docs/api.md shows of answers, events and webhooks is what the service sends."""

import json

import pytest

from api.auth import rate_headers
from api.responses.sse import EVENTS
from api.routes.tokens import Token
from api.routes.uploads import Upload
from core.access.rate_limiter import Allowance
from core.schema import EditWarning
from tests.examples.held import blocks_held_by
from tests.support.doc_code import AnyBlock

BLOCKS = blocks_held_by("examples/test_api_page.py")


def block_of(heading: str) -> AnyBlock:
    (block,) = [one for one in BLOCKS if one.heading == heading]
    return block


def test_all_of_them_are_checked_here() -> None:
    assert sorted(block.heading for block in BLOCKS) == [
        *("Events", "Limits", "The edit", "Tokens for your users", "Uploads", "Webhooks"),
    ]


@pytest.mark.parametrize(
    ("heading", "model"), [("Uploads", Upload), ("Tokens for your users", Token)]
)
def test_an_answer_has_every_field(heading: str, model: type[Upload | Token]) -> None:
    shown = json.loads(block_of(heading).code)
    assert shown.keys() == model.model_fields.keys()
    model.model_validate(shown)


def test_a_warning_is_one() -> None:
    (warning,) = json.loads(f"{{{block_of('The edit').code}}}")["warnings"]
    EditWarning.model_validate(warning)


def test_an_event_is_one() -> None:
    lines = dict(line.split(": ", 1) for line in block_of("Events").code.strip().splitlines())
    assert lines.keys() == {"event", "data", "id"}
    assert json.loads(lines["data"]).keys() == EVENTS[lines["event"]].model_fields.keys()


def test_a_webhook_has_the_headers_of_standard_webhooks() -> None:
    head, _, body = block_of("Webhooks").code.partition("\n\n")
    first, *headers = head.splitlines()
    assert first == "POST /baret HTTP/1.1"
    assert [line.split(": ")[0] for line in headers] == [
        *("content-type", "webhook-id", "webhook-timestamp", "webhook-signature"),
    ]
    assert body.startswith('{"type":"edit.succeeded","timestamp":"2026-')


def test_the_limits_are_written_as_they_are_sent() -> None:
    sent = rate_headers(Allowance(allowed=True, quota=600, remaining=583, resets_in=4))
    lines = [f"{name}: {value}" for name, value in sent.items()]
    assert block_of("Limits").code.strip().splitlines() == lines
