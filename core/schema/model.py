"""A model as its workers announce it."""

from typing import Any, Literal

from pydantic import Field

from core.schema.base import Strict
from core.schema.params import PresetName, PresetValues


class Size(Strict):
    """A size in pixels."""

    width: int
    height: int


class Model(Strict):
    """A model that workers serve, as they announce it."""

    id: str
    object: Literal["model"] = "model"
    default: bool = False
    native_size: Size
    licence: str
    default_parameters: dict[str, Any] = Field(description="of a request that gives none")
    presets: dict[PresetName, PresetValues]
