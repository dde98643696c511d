"""The models that can be asked for."""

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from api.auth import caller_name
from api.openapi.describe import LIST_MODELS
from api.services import ServicesDep
from core.schema import Model

router = APIRouter(prefix="/v1/models", tags=["models"])


class Models(BaseModel):
    """The models that have a live worker."""

    data: list[Model]


@router.get("", response_model=Models, dependencies=[Depends(caller_name)], **LIST_MODELS)
def list_models(services: ServicesDep) -> Models:
    """The models that have a live worker; a request that names none gets the default one."""
    live = services.store.live_models()
    default = services.default_of(live)
    return Models(
        data=[
            model.model_copy(update={"default": name == default})
            for name, model in sorted(live.items())
        ]
    )
