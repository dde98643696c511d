"""The base of all models of the contract, and a type that several of them use."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Unit = Annotated[float, Field(ge=0, le=1)]


class Strict(BaseModel):
    """Refuses unknown fields: a misspelt parameter must not be lost silently."""

    model_config = ConfigDict(extra="forbid")
