"""The models that edits can use."""

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from api.auth import owner_name
from api.openapi.describe import example, problems
from api.services import ServicesDep
from core.schema import Model

router = APIRouter(prefix="/v1/models", tags=["models"])

EXAMPLE: dict[str, Any] = {
    "id": "zoo",
    "object": "model",
    "default": True,
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


class ModelList(BaseModel):
    """The models that have a live worker."""

    data: list[Model]


@router.get(
    "",
    response_model=ModelList,
    dependencies=[Depends(owner_name)],
    responses={200: example({"data": [EXAMPLE]}, "The models"), **problems("unavailable")},
)
def list_models(services: ServicesDep) -> ModelList:
    """List the models that have a live worker. Edits that name no model use the default one.

    Each has the defaults of its parameters, and its presets with their values.
    """
    live = services.store.live_models()
    default = services.default_model(live)
    return ModelList(
        data=[
            model.model_copy(update={"default": name == default})
            for name, model in sorted(live.items())
        ]
    )
