"""Strength was called interpolation: both names are read, and both are in answers."""

import pytest
from pydantic import ValidationError

from core.schema import Output, Params, ParamsInput, PresetValues

PRESET = {"auto": PresetValues(strength=1, self_attention_until=0, cross_attention_until=0)}
OUTPUT = {
    "url": "u",
    "width": 64,
    "height": 64,
    "content_type": "image/png",
    "sha256": "0",
    "bytes": 1,
}


@pytest.mark.parametrize("value", [0.3, [0.2, 0.9]])
def test_the_former_name_is_read(value) -> None:
    assert ParamsInput.model_validate({"interpolation": value}).strength == value


def test_what_is_stored_under_either_name_is_read_again() -> None:
    params = Params.resolve(ParamsInput(strength=0.3), PRESET)
    stored = params.model_dump(mode="json")
    assert stored["strength"] == stored["interpolation"] == 0.3
    assert Params.model_validate(stored) == params
    del stored["strength"]  # as versions before this one wrote it
    assert Params.model_validate(stored) == params


def test_what_a_caller_gives_under_the_former_name_wins_over_the_preset() -> None:
    given = ParamsInput.model_validate({"interpolation": 0.4})
    assert Params.resolve(given, PRESET).strengths == (0.4,)


def test_answers_carry_both_names() -> None:
    shown = Output(strength=0.5, **OUTPUT).model_dump()
    assert shown["strength"] == shown["interpolation"] == 0.5


def test_two_names_with_two_values_are_refused_and_say_what_to_do() -> None:
    with pytest.raises(ValidationError, match="send one of them"):
        ParamsInput.model_validate({"strength": 0.2, "interpolation": 0.3})
    assert ParamsInput.model_validate({"strength": 0.2, "interpolation": 0.2}).strength == 0.2


@pytest.mark.parametrize("name", ["strength", "interpolation"])
def test_an_error_names_the_field_as_it_was_sent(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ParamsInput.model_validate({name: 2})
    assert {error["loc"][0] for error in refused.value.errors()} == {name}
