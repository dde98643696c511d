"""The models that edits can use."""

from typing import Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from api.auth import owner_name
from api.openapi.describe import example, problems
from api.problems.errors import AddressUnknown
from api.services import Services, ServicesDep
from core.schema import Model

router = APIRouter(prefix="/v1/models", tags=["models"])

EXAMPLE: dict[str, Any] = {
    "id": "zoo",
    "object": "model",
    "created": 0,
    "owned_by": "baret",
    "default": True,
    "state": "ready",
    "native_size": {"width": 64, "height": 64},
    "licence": "Apache-2.0",
    "default_parameters": {"num_inference_steps": 20, "guidance_scale": 3.0},
    "presets": {
        "non_rigid": {
            "strength": 0.7,
            "interpolation": 0.7,
            "self_attention_until": 0.4,
            "cross_attention_until": 0.6,
        }
    },
}


class ListedModel(Model):
    """A model with the fields that clients of OpenAI's API read."""

    created: int = Field(0, description="always 0: a checkpoint does not say when it was made")
    owned_by: str = "baret"


class ModelList(BaseModel):
    """Every model that a worker has ever announced."""

    object: Literal["list"] = "list"
    data: list[ListedModel]


@router.get(
    "",
    response_model=ModelList,
    dependencies=[Depends(owner_name)],
    responses={
        200: example({"object": "list", "data": [EXAMPLE]}, "The models"),
        **problems("unavailable"),
    },
)
def list_models(services: ServicesDep) -> ModelList:
    """List every model that a worker has ever announced, with its state.

    Each has the defaults of its parameters, and its presets with their values. Edits that name no
    model use the default one. Edits for a model that sleeps wait for a worker.
    """
    return ModelList(data=_listed(services))


@router.get(
    # An id of a hub has a slash.
    "/{model_id:path}",
    response_model=ListedModel,
    dependencies=[Depends(owner_name)],
    responses={
        200: example(EXAMPLE, "The model"),
        **problems("not_found", "validation_error", "unavailable"),
    },
)
def get_model(model_id: str, services: ServicesDep) -> ListedModel:
    """Return one model, as the list has it.

    The id of a model from a hub has a slash, which is part of the address. A model that no worker
    has announced is not found.
    """
    for model in _listed(services):
        if model.id == model_id:
            return model
    raise AddressUnknown("No worker has announced this model: `GET /v1/models` lists all.")


def _listed(services: Services) -> list[ListedModel]:
    known = services.store.models_with_state()
    default = services.default_model(known)
    return [
        ListedModel(**model.model_dump() | {"default": name == default})
        for name, model in sorted(known.items())
    ]
