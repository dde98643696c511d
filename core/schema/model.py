"""A model as its workers announce it."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from core.schema.base import Strict
from core.schema.params import PresetName, PresetValues


class Size(Strict):
    """A size in pixels."""

    width: int
    height: int


class ModelState(StrEnum):
    """Whether an edit for a model can begin now."""

    READY = "ready"
    LOADING = "loading"
    SLEEPING = "sleeping"
    FAILED = "failed"


class Model(Strict):
    """A model that workers serve, as they announce it; `default` and `state` are the API's."""

    id: str
    object: Literal["model"] = "model"
    default: bool = False
    state: ModelState = Field(
        ModelState.READY,
        description="ready: a worker has it loaded; loading: one is loading it; sleeping: none "
        "has, and edits wait until one starts or loads it; failed: no worker could load it",
    )
    native_size: Size
    licence: str
    default_parameters: dict[str, Any] = Field(description="of a request that gives none")
    presets: dict[PresetName, PresetValues]
