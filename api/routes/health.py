"""Whether the process lives, and whether the service can run an edit now."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from api.auth import CallerNameDep
from api.openapi.describe import HEALTH, METRICS, READY
from api.problems.errors import NotReady
from api.services import Services, ServicesDep
from core.errors import StoreUnavailable
from core.schema import FieldError

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A plain answer for probes."""

    status: str


@router.get("/healthz", response_model=Health, **HEALTH)
async def healthz() -> Health:
    """200 while the process lives."""
    return Health(status="ok")


@router.get("/readyz", response_model=Health, **READY)
def readyz(services: ServicesDep) -> Health:
    """200 when Redis has room, pictures can be written and a worker with a model consumes."""
    missing = _missing(services)
    if missing:
        raise NotReady(missing)
    return Health(status="ready")


@router.get("/metrics", response_class=Response, **METRICS)
def metrics(request: Request, _: CallerNameDep) -> Response:
    """What Prometheus scrapes: requests, queues, workers, edits by end, seconds by stage."""
    told = generate_latest(request.app.state.metrics.registry)
    return Response(told, media_type=CONTENT_TYPE_LATEST)


def _missing(services: Services) -> list[FieldError]:
    missing = []
    try:
        services.store.check_writable()
        if not services.store.live_models():
            missing.append(FieldError(pointer="/worker", detail="No worker with a loaded model."))
    except StoreUnavailable as error:
        missing.append(FieldError(pointer="/redis", detail=str(error)))
    try:
        services.files.check_writable()
    except StoreUnavailable:
        missing.append(FieldError(pointer="/store", detail="Pictures cannot be written."))
    return missing
