"""The client knows every field of the service, and takes answers of newer services."""

import dataclasses
from typing import Any, get_type_hints

from baret_client import (
    Batch,
    BatchResult,
    EditData,
    EditParams,
    Metrics,
    Model,
    Output,
    RequestCounts,
)

from api.openapi.examples import EDIT
from core import schema


def names(cls: type) -> set[str]:
    return {field.name for field in dataclasses.fields(cls)} - {"json"}


def test_every_field_of_the_service_is_one_of_the_client() -> None:
    assert names(EditData) == set(schema.Edit.model_fields) - {"object"}
    assert names(Metrics) == set(schema.Metrics.model_fields)
    for read, shown in (
        (Batch, schema.Batch),
        (BatchResult, schema.BatchResult),
        (RequestCounts, schema.RequestCounts),
    ):
        assert names(read) == set(shown.model_fields) - {"object"}
    former = {"interpolation"}
    assert names(Output) == set(schema.Output.model_fields) - former
    assert names(Model) == set(schema.Model.model_fields) - {"object"}
    assert set(get_type_hints(EditParams)) == set(schema.ParamsInput.model_fields)


def test_an_example_of_the_description_is_read_with_times_and_warnings() -> None:
    edit = EditData.from_json(EDIT)
    assert edit.ended and edit.created_at.tzinfo is not None
    assert edit.outputs[0].strength == EDIT["outputs"][0]["strength"]
    assert edit.json == EDIT


def test_fields_of_a_newer_service_are_passed_over() -> None:
    newer: dict[str, Any] = EDIT | {"mood": "cheerful", "metrics": EDIT["metrics"] | {"watts": 3}}
    assert EditData.from_json(newer).json["mood"] == "cheerful"
