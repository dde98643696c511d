"""The application: services, routes, problem handlers, middleware."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import create_task_group, to_thread
from fastapi import FastAPI

from api.openapi.describe import describe, operation_id
from api.openapi.webhooks import webhooks
from api.problems.handlers import install_problem_handlers
from api.responses.openai_answer import ImageEvent
from api.responses.sse import EVENTS
from api.routes import (
    batches,
    create,
    deliveries,
    edits,
    events,
    files,
    health,
    images,
    models,
    openai_images,
    pages,
    service_status,
    tokens,
    uploads,
)
from api.routes import webhooks as webhook_secret
from api.server.cors import KeyedCors
from api.server.metrics import MetricsRegistry
from api.server.middleware import RequestMiddleware
from api.server.normalize import BelowRoot
from api.services import make_services
from api.submission.batch_request import BatchLine, CreateBatchRequest
from api.submission.feeder import BatchFeeder
from api.submission.parsing import CreateEditRequest
from core.images.sandbox import warm_up
from core.schema import BatchResult, ParamsInput
from core.settings import Settings
from core.telemetry.tracer import Tracer


def create_app(settings: Settings, *, tracer: Tracer | None = None) -> FastAPI:
    """Create the ASGI application.

    Args:
        settings: of the process.
        tracer: None to make the one that the settings describe.

    Raises:
        RuntimeError: as `make_services`.
    """
    services = make_services(settings, tracer)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(warm_up)
        async with create_task_group() as background:
            background.start_soon(BatchFeeder(services).run)
            yield
            background.cancel_scope.cancel()
        await services.close()

    app = FastAPI(
        title="BARET",
        version="1",  # the contract's, as in /v1
        lifespan=lifespan,
        docs_url=None,  # `pages` serves a reference that loads nothing from other hosts
        redoc_url=None,
        redirect_slashes=False,
        root_path_in_servers=False,  # `describe` names the whole public address
        webhooks=webhooks,
        generate_unique_id_function=operation_id,
        # FastAPI's own would record paths and errors; `RequestMiddleware` records neither.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.services = services
    app.state.root = settings.public_path
    app.state.metrics = MetricsRegistry(services.stats, services.shares.pools())
    app.add_middleware(RequestMiddleware)
    app.add_middleware(KeyedCors, keys=services.keys, origins=settings.cors_origins)
    app.add_middleware(BelowRoot, root=settings.public_path)
    install_problem_handlers(app)
    for module in (
        *(create, edits, images, events, deliveries, files, models, webhook_secret, tokens),
        *(openai_images, batches, uploads, health, service_status, pages),
    ):
        app.include_router(module.router)
    app.mount("/web", pages.web_files)
    app.mount("/samples", pages.sample_files)
    app.openapi = lambda: describe(  # type: ignore[method-assign]  # FastAPI's documented way
        app,
        request=CreateEditRequest,
        params=ParamsInput,
        bodies=(
            *(tokens.CreateTokenRequest, uploads.CreateUploadRequest),
            *(CreateBatchRequest, BatchLine),
        ),
        events=(*EVENTS.values(), ImageEvent, BatchResult),
        server=settings.public_url,
    )
    return app
