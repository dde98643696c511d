"""The OpenAPI document as client generators need it: names, required fields, nulls."""

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
    parsed: dict[str, Any] = client.get("/openapi.json").json()
    return parsed


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
    ("request_model", "required"),
    [(CreateEditRequest, ["prompt"]), (ImageInput, None), (ParamsInput, None)],
)
def test_what_has_a_default_may_be_left_out_of_a_question(
    document: dict[str, Any], request_model: type[BaseModel], required: list[str] | None
) -> None:
    assert document["components"]["schemas"][request_model.__name__].get("required") == required


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
    text = document["components"]["schemas"]["Problem"]["properties"]["code"]["description"]
    assert set(re.findall(r"`(\w+)`", text)) == {*BY_CODE, *EDIT_PROBLEMS}


def media(node: Any) -> Iterator[dict[str, Any]]:
    """Yield everything with a schema and an example."""
    if isinstance(node, dict):
        if "schema" in node and "example" in node:
            yield node
        for part in node.values():
            yield from media(part)


def test_every_example_is_valid(document: dict[str, Any]) -> None:
    examples = list(media(document["paths"])) + list(media(document["webhooks"]))
    assert len(examples) > 20
    for one in examples:
        schema = one["schema"] | {"components": document["components"]}
        errors = [
            error.message for error in Draft202012Validator(schema).iter_errors(one["example"])
        ]
        assert errors == []
