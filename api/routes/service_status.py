"""The state of the service as its callers may see it: models, workers and queues."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from api.auth import owner_name
from api.openapi.describe import example, problems
from api.services import ServicesDep
from core.schema import ModelState
from core.store.stats import QueueStats, ServiceStats

router = APIRouter(prefix="/v1/status", tags=["status"])

EXAMPLE: dict[str, Any] = {
    "object": "status",
    "workers": 2,
    "queued": 7,
    "running": 2,
    "oldest_wait_seconds": 12.5,
    "models": [
        {
            "id": "zoo",
            "state": "ready",
            "workers": 2,
            "workers_loading": 0,
            "queued": 7,
            "queued_batch": 3,
            "running": 2,
            "oldest_wait_seconds": 12.5,
            "cold_start_seconds": 31.2,
            "load_seconds": None,
            "load_error": None,
        }
    ],
    "versions": {"api": "0.1.0", "workers": ["0.1.0"]},
}


class ModelStatus(BaseModel):
    """A model, its workers and its queue."""

    id: str
    state: ModelState
    workers: int = Field(description="live ones that have it loaded")
    workers_loading: int = Field(description="that are loading the model")
    queued: int
    queued_batch: int = Field(description="of those, edits of the priority `batch`")
    running: int
    oldest_wait_seconds: float = Field(description="of the edit that waits longest; 0 if none does")
    cold_start_seconds: float | None = Field(
        description="that its last worker took from its start until it was ready; null if unknown"
    )
    load_seconds: float | None = Field(
        description="that a worker of several models took to load it last; null if unknown"
    )
    load_error: str | None = Field(
        description="why a live worker could not load it; null if none failed"
    )


class Versions(BaseModel):
    """What runs."""

    api: str = Field(description="of the process that answers")
    workers: list[str] = Field(description="of live workers, each once")


class Status(BaseModel):
    """The service now: all models together, and each."""

    object: str = "status"
    workers: int = Field(description="live ones")
    queued: int
    running: int
    oldest_wait_seconds: float
    models: list[ModelStatus]
    versions: Versions


@router.get(
    "",
    response_model=Status,
    dependencies=[Depends(owner_name)],
    responses={200: example(EXAMPLE, "The service now"), **problems("unavailable")},
)
def get_status(services: ServicesDep) -> Status:
    """Return models, workers, queues and versions. No worker is a state, not an error."""
    return _status(services.stats.read())


def _status(stats: ServiceStats) -> Status:
    models = [_model(queue) for queue in stats.queues]
    return Status(
        workers=stats.workers,
        queued=sum(model.queued for model in models),
        running=sum(model.running for model in models),
        oldest_wait_seconds=max((model.oldest_wait_seconds for model in models), default=0.0),
        models=models,
        versions=Versions(api=version("baret"), workers=list(stats.worker_versions)),
    )


def _model(queue: QueueStats) -> ModelStatus:
    return ModelStatus(
        id=queue.model,
        state=queue.state,
        workers=queue.workers,
        workers_loading=queue.loading,
        queued=queue.waiting,
        queued_batch=queue.waiting_batch,
        running=queue.running,
        oldest_wait_seconds=round(queue.oldest_seconds, 1),
        cold_start_seconds=queue.cold_start_seconds,
        load_seconds=queue.load_seconds,
        load_error=queue.load_error,
    )
