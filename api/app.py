"""The application, put together: services made once, routes, errors, logs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from fastapi import FastAPI

from api.openapi.describe import describe, operation_id
from api.openapi.webhooks import webhooks
from api.problems.handlers import install_problem_handlers
from api.routes import deliveries, edits, events, files, health, models, pages
from api.routes import webhooks as webhook_secret
from api.server.metrics import Metrics
from api.server.middleware import RequestMiddleware
from api.services import make_services
from core.images.sandbox import warm_up
from core.settings import Settings
from core.telemetry.tracing import Tracer


def create_app(settings: Settings, *, tracer: Tracer | None = None) -> FastAPI:
    """The ASGI application.

    Args:
        settings: of the process.
        tracer: None: by the settings.

    Raises:
        RuntimeError: as `make_services`.
    """
    services = make_services(settings, tracer)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await to_thread.run_sync(warm_up)
        yield
        await services.close()

    app = FastAPI(
        title="BARET",
        version="1",  # the contract's, as in /v1
        lifespan=lifespan,
        docs_url=None,  # `pages` serves a reference that needs nothing from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        webhooks=webhooks,
        generate_unique_id_function=operation_id,
        # FastAPI's own would tell paths and errors; `RequestMiddleware` tells neither.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.services = services
    app.state.metrics = Metrics(services.stats)
    app.add_middleware(RequestMiddleware)
    install_problem_handlers(app)
    for part in (edits, events, deliveries, files, models, webhook_secret, health, pages):
        app.include_router(part.router)
    app.mount("/web", pages.web_files)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's documented way
    return app
