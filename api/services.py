"""What the routes work with: constructed once, when the application starts."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from celery import Celery
from fastapi import Depends, Request

from api.responses.pagination import Cursors
from api.server.memory_limiter import MemoryLimiter
from api.submission.body import BodyTimeouts
from core.access.api_keys import Keyring
from core.access.rate_limiter import RateLimiter
from core.broker.app import make_celery
from core.images.provenance import Marking
from core.images.sandbox import DecoderSandbox
from core.images.signed_urls import LinkSigner
from core.images.storage import ImageStorage
from core.outbound.fetcher import Fetcher
from core.settings import Settings
from core.store.connection import connect
from core.store.edits import EditStore
from core.store.events import Follower
from core.store.idempotency import Idempotency
from core.store.stats import StatsReader
from core.telemetry.tracing import Tracer, make_tracer
from core.webhooks.queue import Deliveries
from core.webhooks.secrets import HookSecrets

# Images decoded at once, each within the bounds of `DecoderSandbox`. More than there are cores
# would only take time from the event loop; at least two, so that not all wait for one.
DECODERS = max(2, min(4, os.cpu_count() or 1))


@dataclass(frozen=True)
class Services:
    """The parts that routes use; they are safe to share between threads."""

    settings: Settings
    store: EditStore
    deliveries: Deliveries
    hook_secrets: HookSecrets
    files: ImageStorage
    fetcher: Fetcher
    marking: Marking
    follower: Follower
    celery: Celery
    keys: Keyring
    rates: RateLimiter
    idempotency: Idempotency
    stats: StatsReader
    decoding: DecoderSandbox
    decoders: CapacityLimiter
    body_timeouts: BodyTimeouts
    memory_limiter: MemoryLimiter
    tracer: Tracer
    decoder_wait: float = 30.0  # seconds that a picture waits for others before it

    @cached_property
    def signer(self) -> LinkSigner:
        """Signs picture addresses. Blocks when first used, and only then, to ask Redis.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        return LinkSigner(self.store.secret("links"))

    @cached_property
    def cursors(self) -> Cursors:
        """Signs cursors; as `signer`."""
        return Cursors(self.store.secret("cursors"))

    def default_of(self, models: Iterable[str]) -> str | None:
        """The model that a request gets that names none: the configured one, else the first."""
        return min(models, key=lambda name: (name != self.settings.model_name, name), default=None)

    async def close(self) -> None:
        """Give every connection back."""
        await self.follower.close()
        await self.fetcher.close()
        self.celery.close()
        self.store.close()
        await to_thread.run_sync(self.tracer.close)


def make_services(settings: Settings, tracer: Tracer | None = None) -> Services:
    """The services of one process. Nothing is connected yet, so Redis may come up later.

    Raises:
        RuntimeError: no Redis is named in the settings, what is to sign pictures cannot, or what
            traces need is not installed.
    """
    client = connect(settings.broker_url)
    return Services(
        settings=settings,
        store=EditStore(client),
        deliveries=Deliveries(client),
        hook_secrets=HookSecrets(client),
        files=ImageStorage(settings.images_url),
        fetcher=Fetcher(settings.allow_networks),
        marking=Marking.make(
            enabled=settings.mark_outputs,
            certificate=settings.c2pa_certificate,
            key=settings.c2pa_key,
            algorithm=settings.c2pa_algorithm,
        ),
        follower=Follower(settings.broker_url),
        celery=make_celery(settings.broker_url),
        keys=Keyring(client),
        rates=RateLimiter(client),
        idempotency=Idempotency(client),
        stats=StatsReader(client),
        decoding=DecoderSandbox(),
        decoders=CapacityLimiter(DECODERS),
        body_timeouts=BodyTimeouts(),
        memory_limiter=MemoryLimiter(),
        tracer=tracer or make_tracer(settings.otlp_endpoint, "api"),
    )


async def _services_of(request: Request) -> Services:  # else FastAPI takes a thread to call it
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services_of)]
