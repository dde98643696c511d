"""Probes and metrics: whether the process lives, and whether the service can accept an edit."""

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from api.auth import check_metrics
from api.openapi.describe import example, problems
from api.problems.errors import NotReady
from api.services import Services, ServicesDep
from core.errors import StoreUnavailable
from core.schema import FieldError

router = APIRouter(tags=["health"])

_METRICS = {
    "description": "Prometheus's text format",
    "content": {
        "text/plain": {
            "schema": {"type": "string"},
            "example": 'baret_queue_edits{model="zoo"} 2.0\n',
        }
    },
}


class Health(BaseModel):
    """The answer to a probe."""

    status: str


class Readiness(Health):
    """The answer of a service that can accept edits."""

    workers: int = Field(description="live ones; without any, edits wait until one starts")


@router.get(
    "/healthz",
    response_model=Health,
    responses={200: example({"status": "ok"}, "The process lives")},
)
async def healthz() -> Health:
    """Return 200 while the process lives, whatever else is missing; for a liveness probe."""
    return Health(status="ok")


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={
        200: example({"status": "ready", "workers": 2}, "Ready"),
        **problems("unavailable"),
    },
)
def readyz(services: ServicesDep) -> Readiness:
    """Return 200 if edits can be accepted: Redis has room, and images can be written."""
    missing = _missing(services)
    if missing:
        raise NotReady(missing)
    return Readiness(status="ready", workers=services.store.live_workers())


@router.get(
    "/metrics",
    response_class=Response,
    dependencies=[Depends(check_metrics)],
    responses={200: _METRICS, **problems("unavailable")},
)
def metrics(request: Request) -> Response:
    """Return Prometheus metrics: requests, queues, workers, edits by outcome, times by stage."""
    text = generate_latest(request.app.state.metrics.registry)
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _missing(services: Services) -> list[FieldError]:
    missing = []
    try:
        services.store.check_writable()
    except StoreUnavailable as error:
        missing.append(FieldError(pointer="/redis", detail=str(error)))
    try:
        services.images.check_writable()
    except StoreUnavailable:
        missing.append(FieldError(pointer="/store", detail="Images cannot be written."))
    return missing
