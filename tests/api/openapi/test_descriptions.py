"""The description teaches: every operation, parameter and field says what it is for."""

from typing import Any

import pytest

from api.app import create_app
from api.openapi.descriptions import FIELDS, PARAMETERS
from core.settings import Settings

MIN_WORDS = 10


@pytest.fixture
def document(settings: Settings) -> dict[str, Any]:
    return create_app(settings).openapi()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for methods in document["paths"].values() for one in methods.values()]


def test_every_operation_says_what_it_does_and_how(document: dict[str, Any]) -> None:
    short = [
        one["operationId"]
        for one in operations(document)
        if len(one["description"].split()) < MIN_WORDS
    ]
    assert short == []


def test_every_parameter_has_a_meaning(document: dict[str, Any]) -> None:
    parameters = [one for each in operations(document) for one in each.get("parameters", ())]
    assert [one["name"] for one in parameters if not one.get("description")] == []
    assert PARAMETERS.keys() <= {one["name"] for one in parameters}


def test_every_field_has_a_meaning(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    without = [
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, kind in schema.get("properties", {}).items()
        if "$ref" not in kind and not kind.get("description")
    ]
    assert without == []
    unknown = [
        f"{name}.{field}"
        for name, texts in FIELDS.items()
        for field in texts
        if field not in schemas[name]["properties"]
    ]
    assert unknown == []


def test_every_body_of_text_has_an_example(document: dict[str, Any]) -> None:
    without = [
        (one["operationId"], kind)
        for one in operations(document)
        for kind, media in one.get("requestBody", {}).get("content", {}).items()
        if not kind.startswith("image/") and "example" not in media
    ]
    assert without == []
