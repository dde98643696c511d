"""`Client` and `AsyncClient`: the connection to one service."""

import os
from ipaddress import ip_address
from typing import Any, Self

import httpx

from baret_client import flows
from baret_client.async_edits import AsyncEdits
from baret_client.batches import AsyncBatches, Batches
from baret_client.edits import Edits
from baret_client.flows import Flow, Send, Settings, T
from baret_client.schema import Model, SignedUpload, Token, WebhookSecret
from baret_client.uploads import ImageSource, bytes_of

DEFAULT_SERVER = "http://127.0.0.1:8000"  # where the one-machine stack listens
USER_AGENT = "baret-client/0.1"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _http_options(server: str | None, transport: Any) -> dict[str, Any]:
    url = httpx.URL((server or os.environ.get("BARET_SERVER") or DEFAULT_SERVER).rstrip("/"))
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"A server's address is http://… or https://…, not {str(url)!r}.")
    return {
        "base_url": url,
        "headers": {"User-Agent": USER_AGENT},
        "trust_env": not _is_loopback(url.host),  # no proxy between this machine and itself
        "transport": transport,
    }


def _settings(api_key: str | None, timeout: float, max_retries: int) -> Settings:
    return Settings(api_key or os.environ.get("BARET_API_KEY"), timeout, max_retries)


def _models(settings: Settings) -> Flow[list[Model]]:
    page = yield from flows.call(settings, "GET", "/v1/models")
    return [Model.from_json(one) for one in page["data"]]


def _token(settings: Settings, ttl: int, edits: int | None, user: str | None) -> Flow[Token]:
    given = {"ttl": ttl, "edits": edits, "user": user}
    body = {name: value for name, value in given.items() if value is not None}
    return Token.from_json((yield from flows.call(settings, "POST", "/v1/tokens", json=body)))


def _new_upload(settings: Settings, content_type: str, size: int | None) -> Flow[SignedUpload]:
    body = {"content_type": content_type} | ({} if size is None else {"bytes": size})
    answer = yield from flows.call(settings, "POST", "/v1/uploads", json=body)
    return SignedUpload.from_json(answer)


def _sending(settings: Settings, upload: SignedUpload, image: ImageSource) -> Flow[None]:
    send = Send(upload.method, upload.url, headers=upload.headers, content=bytes_of(image))
    yield from flows.request(send, settings)


def _webhook_secret(settings: Settings, method: str, path: str) -> Flow[WebhookSecret]:
    return WebhookSecret.from_json((yield from flows.call(settings, method, path)))


class Client:
    """A connection to a service, for one or several threads. Close it, or use it in a `with`."""

    def __init__(
        self,
        server: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        transport: httpx.BaseTransport | None = None,
    ):
        """Connect when first used.

        Args:
            server: the service's address; None takes `BARET_SERVER`, else this machine's port 8000.
            api_key: None takes `BARET_API_KEY`, else sends none.
            timeout: seconds for each part of a request: to connect, to send, to answer.
            max_retries: tries after the first, for requests that were lost or came too early.
            transport: httpx's own, for tests and unusual networks.

        Raises:
            ValueError: the address is not one.
        """
        self._settings = _settings(api_key, timeout, max_retries)
        self._http = httpx.Client(**_http_options(server, transport))
        self.edits = Edits(self._http, self._settings)
        self.batches = Batches(self._http, self._settings)
        self.models = Models(self._http, self._settings)
        self.tokens = Tokens(self._http, self._settings)
        self.uploads = Uploads(self._http, self._settings)
        self.webhooks = Webhooks(self._http, self._settings)

    @property
    def server(self) -> str:
        """The service's address."""
        return str(self._http.base_url).rstrip("/")

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Resource:
    def __init__(self, http: httpx.Client, settings: Settings):
        self._http, self._settings = http, settings

    def _run(self, flow: Flow[T]) -> T:
        return flows.run(flow, self._http, self._settings.timeout)


class Models(_Resource):
    """The models that the service has, or had, a worker for."""

    def list(self) -> list[Model]:
        """Return all of them."""
        return self._run(_models(self._settings))


class Tokens(_Resource):
    """Tokens for the caller's users, whose apps may have them as they may not have the key."""

    def create(
        self, *, user: str | None = None, ttl: int = 3600, edits: int | None = None
    ) -> Token:
        """Make a token.

        Args:
            user: your own id of the user; tokens for the same user see the same edits.
            ttl: seconds for which it is valid, at most a day.
            edits: that it may make; None sets no limit.
        """
        return self._run(_token(self._settings, ttl, edits, user))


class Uploads(_Resource):
    """Signed addresses that take one image each, ahead of its edit and without a key."""

    def create(self, content_type: str, *, size: int | None = None) -> SignedUpload:
        """Create an upload, for an app of yours to send its image to, within an hour.

        Args:
            content_type: the image's, such as `image/jpeg`.
            size: the image's bytes; None takes any number up to the service's limit.
        """
        return self._run(_new_upload(self._settings, content_type, size))

    def send(self, upload: SignedUpload, image: ImageSource) -> None:
        """Send an image to an upload; `client.edits.create(upload=upload, …)` then uses it.

        Args:
            upload: where to.
            image: a path, bytes, a file or a Pillow image.
        """
        self._run(_sending(self._settings, upload, image))


class Webhooks(_Resource):
    """The secret that signs the caller's webhooks."""

    def secret(self) -> WebhookSecret:
        """Return the secret; the service makes it at the first call."""
        return self._run(_webhook_secret(self._settings, "GET", "/v1/webhooks/secret"))

    def rotate_secret(self) -> WebhookSecret:
        """Make a new secret; the previous one also signs for 24 hours."""
        return self._run(_webhook_secret(self._settings, "POST", "/v1/webhooks/secret/rotate"))


class AsyncClient:
    """A connection to a service for asyncio. Close it, or use it in an `async with`."""

    def __init__(
        self,
        server: str | None = None,
        *,
        api_key: str | None = None,
        timeout: float = 30.0,
        max_retries: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
    ):
        """Connect when first used; the arguments are those of `Client`."""
        self._settings = _settings(api_key, timeout, max_retries)
        self._http = httpx.AsyncClient(**_http_options(server, transport))
        self.edits = AsyncEdits(self._http, self._settings)
        self.batches = AsyncBatches(self._http, self._settings)
        self.models = AsyncModels(self._http, self._settings)
        self.tokens = AsyncTokens(self._http, self._settings)
        self.uploads = AsyncUploads(self._http, self._settings)
        self.webhooks = AsyncWebhooks(self._http, self._settings)

    @property
    def server(self) -> str:
        """The service's address."""
        return str(self._http.base_url).rstrip("/")

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class _AsyncResource:
    def __init__(self, http: httpx.AsyncClient, settings: Settings):
        self._http, self._settings = http, settings

    async def _run(self, flow: Flow[T]) -> T:
        return await flows.run_async(flow, self._http, self._settings.timeout)


class AsyncModels(_AsyncResource):
    """The models that the service has a live worker for."""

    async def list(self) -> list[Model]:
        """Return all of them."""
        return await self._run(_models(self._settings))


class AsyncTokens(_AsyncResource):
    """Tokens for the caller's users, whose apps may have them as they may not have the key."""

    async def create(
        self, *, user: str | None = None, ttl: int = 3600, edits: int | None = None
    ) -> Token:
        """Make a token; see `Tokens.create`."""
        return await self._run(_token(self._settings, ttl, edits, user))


class AsyncUploads(_AsyncResource):
    """Signed addresses that take one image each, ahead of its edit and without a key."""

    async def create(self, content_type: str, *, size: int | None = None) -> SignedUpload:
        """Create an upload; see `Uploads.create`."""
        return await self._run(_new_upload(self._settings, content_type, size))

    async def send(self, upload: SignedUpload, image: ImageSource) -> None:
        """Send an image to an upload; see `Uploads.send`."""
        await self._run(_sending(self._settings, upload, image))


class AsyncWebhooks(_AsyncResource):
    """The secret that signs the caller's webhooks."""

    async def secret(self) -> WebhookSecret:
        """Return the secret; the service makes it at the first call."""
        return await self._run(_webhook_secret(self._settings, "GET", "/v1/webhooks/secret"))

    async def rotate_secret(self) -> WebhookSecret:
        """Make a new secret; the previous one also signs for 24 hours."""
        flow = _webhook_secret(self._settings, "POST", "/v1/webhooks/secret/rotate")
        return await self._run(flow)
