"""The description as generators of clients need it: names, what is always there, what is null."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from jsonschema_rs import Draft202012Validator
from pydantic import BaseModel

from api.problems.types import BY_CODE
from api.submission.parsing import CreateEditRequest, ImageInput
from core.problems import EDIT_PROBLEMS
from core.schema import Edit, ParamsInput


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for section in ("paths", "webhooks"):
        for methods in document[section].values():
            yield from methods.values()


def test_operations_have_short_names_that_a_client_can_call(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)*", name) for name in names)
    assert {"createEdit", "getEdit", "listEdits", "getWebhookSecret", "editSucceeded"} <= set(names)


def test_what_answers_always_have_is_required(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["Edit"]["required"]) == set(Edit.model_fields)
    assert set(schemas["Problem"]["required"]) == {"type", "title", "status", "detail", "code"}
    assert set(schemas["WebhookBody"]["required"]) == {"type", "timestamp", "data"}


@pytest.mark.parametrize(
    ("asked", "required"),
    [(CreateEditRequest, ["prompt"]), (ImageInput, None), (ParamsInput, None)],
)
def test_what_has_a_default_may_be_left_out_of_a_question(
    document: dict[str, Any], asked: type[BaseModel], required: list[str] | None
) -> None:
    assert document["components"]["schemas"][asked.__name__].get("required") == required


def test_what_is_left_out_is_never_null(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["Problem"]["properties"]["instance"]["type"] == "string"
    assert schemas["Problem"]["properties"]["errors"]["type"] == "array"
    assert schemas["WebhookBody"]["properties"]["omitted"]["type"] == "array"


def test_an_edit_is_the_same_schema_in_every_answer(document: dict[str, Any]) -> None:
    edit = {"$ref": "#/components/schemas/Edit"}
    answers = document["paths"]["/v1/edits"]["post"]["responses"]
    for status in ("201", "202"):
        assert answers[status]["content"]["application/json"]["schema"] == edit
    error = document["components"]["schemas"]["Edit"]["properties"]["error"]
    assert error["anyOf"] == [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]


def test_every_code_is_told(document: dict[str, Any]) -> None:
    told = document["components"]["schemas"]["Problem"]["properties"]["code"]["description"]
    assert set(re.findall(r"`(\w+)`", told)) == {*BY_CODE, *EDIT_PROBLEMS}


def media(node: Any) -> Iterator[dict[str, Any]]:
    """Everything with a schema and an example."""
    if isinstance(node, dict):
        if "schema" in node and "example" in node:
            yield node
        for part in node.values():
            yield from media(part)


def test_every_example_is_valid(document: dict[str, Any]) -> None:
    told = list(media(document["paths"])) + list(media(document["webhooks"]))
    assert len(told) > 20
    for one in told:
        schema = one["schema"] | {"components": document["components"]}
        errors = [
            error.message for error in Draft202012Validator(schema).iter_errors(one["example"])
        ]
        assert errors == []
