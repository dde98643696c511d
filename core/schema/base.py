"""The base of all models of the contract, and types that several of them use."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

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
