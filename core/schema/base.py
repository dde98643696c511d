"""The base of all models of the contract, and types that several of them use."""

from typing import Annotated, Any, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

V = TypeVar("V")

Unit = Annotated[float, Field(ge=0, le=1)]

# Besides white space, what clings to copied text without being seen: zero-width spaces and joiners,
# byte order marks.
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"


def _trimmed(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = value.strip()
    while (inner := text.strip(_INVISIBLE).strip()) != text:
        text = inner
    return text


Trimmed = Annotated[str, BeforeValidator(_trimmed)]
Url = Annotated[Trimmed, StringConstraints(max_length=2048)]


class Strict(BaseModel):
    """Refuses unknown fields: a misspelt parameter must not be lost silently."""

    model_config = ConfigDict(extra="forbid")


# Strength was called interpolation. Requests may use either name; answers and records have both.
STRENGTH_NAMES = AliasChoices("strength", "interpolation")
FormerName = Annotated[
    V,
    Field(description="the former name of `strength`", json_schema_extra={"deprecated": True}),
]


def one_strength(data: Any) -> Any:
    """Return the fields of a model without the former name, if it says the same as the new one.

    Raises:
        PydanticCustomError: the two names have two values.
    """
    if not isinstance(data, dict) or not {"strength", "interpolation"} <= data.keys():
        return data
    if data["strength"] != data["interpolation"]:
        raise PydanticCustomError(
            "two_strengths", "`interpolation` is the former name of `strength`: send one of them."
        )
    return {name: value for name, value in data.items() if name != "interpolation"}


def both_names(data: Any) -> Any:
    """Return the fields of a model with the strength under both names."""
    fields = one_strength(data)
    if isinstance(fields, dict):
        for name, other in (("strength", "interpolation"), ("interpolation", "strength")):
            if other in fields:
                return {name: fields[other], **fields}
    return fields


class ShowsStrength(Strict):
    """Has a `strength`, and shows it under its former name, `interpolation`, too."""

    _both_names = model_validator(mode="before")(both_names)
