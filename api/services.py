"""The services that routes use, constructed once when the application starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from anyio import to_thread
from celery import Celery
from fastapi import Depends, Request

from api.cursors import Cursors
from api.server.limits import BodyTimeouts
from api.server.memory_limiter import MemoryLimiter
from api.server.over_quota import OverQuota
from api.server.shares import RecentSenders, Shares
from core.access.api_keys import Keyring
from core.access.rate_limiter import RateLimiter
from core.access.user_tokens import UserTokens
from core.broker.app import make_celery
from core.images.provenance import Marking
from core.images.sandbox import DecoderSandbox
from core.images.signed_urls import LinkSigner
from core.images.storage import ImageStorage
from core.outbound.fetcher import Fetcher
from core.outbound.ip_policy import IpPolicy
from core.schema import Model, ModelState
from core.settings import Settings
from core.store.batches import Batches
from core.store.connection import connect
from core.store.edits import EditStore
from core.store.events import Follower
from core.store.idempotency import Idempotency
from core.store.stats import StatsReader
from core.store.uploads import Uploads
from core.telemetry.tracer import Tracer
from core.telemetry.tracing import make_tracer
from core.webhooks.queue import Deliveries
from core.webhooks.secrets import HookSecrets

# Connections to Redis for what followers ask beside following.
SPARE_WAITERS = 64


@dataclass(frozen=True)
class Services:
    """The services of one process; they are safe to share between threads."""

    settings: Settings
    store: EditStore
    uploads: Uploads
    batches: Batches
    deliveries: Deliveries
    webhook_secrets: HookSecrets
    images: ImageStorage
    ip_policy: IpPolicy
    fetcher: Fetcher
    marking: Marking
    follower: Follower
    celery: Celery
    keys: Keyring
    user_tokens: UserTokens
    rate_limiter: RateLimiter
    idempotency: Idempotency
    stats: StatsReader
    sandbox: DecoderSandbox
    shares: Shares
    known_senders: RecentSenders
    over_quota: OverQuota
    body_timeouts: BodyTimeouts
    memory_limiter: MemoryLimiter
    tracer: Tracer

    @property
    def sends_downloads_to_store(self) -> bool:
        """Whether outputs' addresses lead on to the object store's own URLs."""
        return self.settings.direct_downloads and self.images.signs_urls

    @cached_property
    def signer(self) -> LinkSigner:
        """Signs image URLs. Blocks on first use, and only then, to ask Redis.

        Raises:
            StoreUnavailable: Redis does not answer.
        """
        return LinkSigner(self.store.secret("links"))

    @cached_property
    def cursors(self) -> Cursors:
        """Signs cursors; blocks as `signer` does."""
        return Cursors(self.store.secret("cursors"))

    def default_model(self, models: Mapping[str, Model]) -> str | None:
        """Return the model for requests that name none: the configured one, or else the first.

        If the configured one was never announced, a model that does not sleep comes first.
        """

        def rank(name: str) -> tuple[bool, bool, str]:
            asleep = models[name].state is ModelState.SLEEPING
            return name != self.settings.default_model_name, asleep, name

        return min(models, key=rank, default=None)

    async def close(self) -> None:
        """Close every connection."""
        await self.follower.close()
        await self.fetcher.close()
        self.celery.close()
        self.store.close()
        await to_thread.run_sync(self.tracer.close)


def make_services(settings: Settings, tracer: Tracer | None = None) -> Services:
    """Make the services of one process. Nothing connects yet, so Redis may start later.

    Raises:
        RuntimeError: the settings name no Redis, C2PA manifests cannot be signed, or the packages
            for traces are not installed.
    """
    client = connect(settings.broker_url)
    ip_policy = IpPolicy(settings.allow_networks, settings.deny_networks)
    return Services(
        settings=settings,
        store=EditStore(client),
        uploads=Uploads(client),
        batches=Batches(client),
        deliveries=Deliveries(client),
        webhook_secrets=HookSecrets(client),
        images=ImageStorage(settings.images_url),
        ip_policy=ip_policy,
        fetcher=Fetcher(ip_policy),
        marking=Marking.make(
            enabled=settings.mark_outputs,
            certificate=settings.c2pa_certificate,
            key=settings.c2pa_key,
            algorithm=settings.c2pa_algorithm,
        ),
        follower=Follower(settings.broker_url, max_waiters=settings.streams + SPARE_WAITERS),
        celery=make_celery(settings.broker_url),
        keys=Keyring(client),
        user_tokens=UserTokens(client),
        rate_limiter=RateLimiter(client),
        idempotency=Idempotency(client),
        stats=StatsReader(client),
        sandbox=DecoderSandbox(),
        shares=Shares.make(settings),
        known_senders=RecentSenders(),
        over_quota=OverQuota(),
        body_timeouts=BodyTimeouts(),
        memory_limiter=MemoryLimiter(),
        tracer=tracer or make_tracer(settings.otlp_endpoint, "api"),
    )


async def _services_of(request: Request) -> Services:  # async: no thread is needed
    services: Services = request.app.state.services
    return services


ServicesDep = Annotated[Services, Depends(_services_of)]
