"""What the routes work with: constructed once, when the application starts."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from anyio import CapacityLimiter, to_thread
from celery import Celery
from fastapi import Depends, Request

from api.body import Pace
from api.listing import Cursors
from api.room import Room
from jobs.connection import connect
from jobs.decoding import Decoding
from jobs.deliveries import Deliveries
from jobs.fetching import Fetcher
from jobs.figures import Watch
from jobs.files import PictureFiles
from jobs.follow import Follower
from jobs.hook_secrets import HookSecrets
from jobs.idempotency import Idempotency
from jobs.keyring import Keyring
from jobs.links import LinkSigner
from jobs.marking import Marking
from jobs.queue import make_celery
from jobs.rates import Rates
from jobs.settings import Settings
from jobs.store import EditStore
from jobs.tracing import Tracer, make_tracer

# So many pictures at once, each within the bounds of `Decoding`. More than there are cores would
# only take time from the event loop; two at least, so that not all wait for one.
DECODERS = max(2, min(4, os.cpu_count() or 1))


@dataclass(frozen=True)
class Services:
    """The parts that routes use; they are safe to share between threads."""

    settings: Settings
    store: EditStore
    deliveries: Deliveries
    hook_secrets: HookSecrets
    files: PictureFiles
    fetcher: Fetcher
    marking: Marking
    follower: Follower
    celery: Celery
    keys: Keyring
    rates: Rates
    idempotency: Idempotency
    watch: Watch
    decoding: Decoding
    decoders: CapacityLimiter
    pace: Pace
    room: Room
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
        files=PictureFiles(settings.pictures_url),
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
        rates=Rates(client),
        idempotency=Idempotency(client),
        watch=Watch(client),
        decoding=Decoding(),
        decoders=CapacityLimiter(DECODERS),
        pace=Pace(),
        room=Room(),
        tracer=tracer or make_tracer(settings.otlp_endpoint, "api"),
    )


async def _services_of(request: Request) -> Services:  # else FastAPI takes a thread to call it
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services_of)]
