"""Fetching of images from callers' URLs, limited in time, bytes, chunks and concurrency."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from core.errors import FetchersBusy, FetchFailed, TooManyFetches
from core.outbound.client import LimitedStream, safe_client
from core.outbound.ip_policy import IpPolicy, check_url

FETCH_SECONDS = 30.0  # for a whole image, however slowly it arrives
PHASE_SECONDS = 10.0  # for a lookup, a connection, a handshake, or between two chunks
SLOT_SECONDS = 5.0  # how long a fetch waits for a free slot

MAX_FETCHES = 16  # each may hold a whole image in memory
MAX_FETCHES_PER_KEY = 4
# A lookup may hang three times as long as a fetch waits for it.
MAX_LOOKUPS = 4 * MAX_FETCHES

# A chunk costs the same, however small it is. This allows 20 MB in chunks of 400 bytes.
MAX_CHUNKS = 50_000
# Bytes on the wire: a factor for chunked encoding, and a minimum for small images.
WIRE_FACTOR = 1.25
WIRE_SLACK = 4096
# Servers name encodings that are none, such as S3's aws-chunked or an empty one, and send the image
# as it is. These change it.
COMPRESSIONS = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"})

_RETRY_AFTER = round(SLOT_SECONDS)


class Fetcher:
    """Fetches images. A process has one, used in one event loop."""

    def __init__(
        self,
        policy: IpPolicy,
        *,
        seconds: float = FETCH_SECONDS,
        slot_seconds: float = SLOT_SECONDS,
    ):
        """Set the limits.

        Args:
            policy: which addresses are allowed.
            seconds: for a whole fetch.
            slot_seconds: how long a fetch waits for a free slot.
        """
        self._policy, self._seconds, self._slot_seconds = policy, seconds, slot_seconds
        self._client = safe_client(
            policy,
            timeout=min(PHASE_SECONDS, seconds),
            keep_alive=False,
            max_lookups=MAX_LOOKUPS,
        )
        self._in_progress: Counter[str | None] = Counter()
        self._slot_freed = asyncio.Condition()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def fetch(self, url: str, *, max_bytes: int, key: str | None = None) -> bytes:
        """Fetch the bytes behind a URL.

        Args:
            url: as the caller gave it.
            max_bytes: of the image.
            key: the caller's, if the number of fetches per key is limited.

        Raises:
            AddressNotAllowed: the URL leads to an address that is not public.
            FetchFailed: the server did not respond in time with status 200 and at most
                `max_bytes`, unencoded.
            TooManyFetches: the key has its maximum of fetches in progress.
            FetchersBusy: the process has its maximum of fetches in progress.
        """
        check_url(url, self._policy)
        async with self._slot(key):
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._download(url, max_bytes)
            except TimeoutError as error:
                raise FetchFailed("The URL did not deliver the image in time.") from error
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                # UnicodeError: a host name that looks like IDNA, but is not.
                message = "The URL could not be fetched. Send the image itself."
                raise FetchFailed(message) from error

    async def _download(self, url: str, max_bytes: int) -> bytes:
        async with self._client.stream("GET", url, headers={"accept": "image/*"}) as response:
            _check_head(response, max_bytes)
            stream: LimitedStream = response.extensions["network_stream"]
            stream.allow(round(max_bytes * WIRE_FACTOR) + WIRE_SLACK)
            chunks: list[bytes] = []
            left = max_bytes
            async for chunk in response.aiter_raw():
                left -= len(chunk)
                chunks.append(chunk)
                if left < 0:
                    raise _too_large(max_bytes)
                if len(chunks) > MAX_CHUNKS:
                    raise FetchFailed("The URL delivers the image in too small chunks.")
                await asyncio.sleep(0)  # many chunks may be ready: let other tasks run
            return b"".join(chunks)

    @asynccontextmanager
    async def _slot(self, key: str | None) -> AsyncIterator[None]:
        async with self._slot_freed:
            try:
                async with asyncio.timeout(self._slot_seconds):
                    await self._slot_freed.wait_for(lambda: self._has_free_slot(key))
            except TimeoutError as error:
                raise self._refusal(key) from error
            self._in_progress[key] += 1
        try:
            yield
        finally:
            self._in_progress -= Counter({key: 1})  # and drops keys with a count of 0
            async with self._slot_freed:
                self._slot_freed.notify_all()

    def _has_free_slot(self, key: str | None) -> bool:
        return self._in_progress.total() < MAX_FETCHES and not self._is_at_limit(key)

    def _is_at_limit(self, key: str | None) -> bool:
        return key is not None and self._in_progress[key] >= MAX_FETCHES_PER_KEY

    def _refusal(self, key: str | None) -> TooManyFetches | FetchersBusy:
        if self._is_at_limit(key):
            return TooManyFetches(
                f"This key already has {MAX_FETCHES_PER_KEY} images being fetched from slow URLs, "
                "its maximum. Try again later, or send the image itself.",
                retry_after=_RETRY_AFTER,
            )
        return FetchersBusy(
            "Too many images are being fetched from slow URLs. Try again later, or send the image "
            "itself.",
            retry_after=_RETRY_AFTER,
        )


def _check_head(response: httpx.Response, max_bytes: int) -> None:
    """Check a response by its head.

    Raises:
        FetchFailed: it does not have status 200 and at most `max_bytes`, unencoded.
    """
    if response.status_code != httpx.codes.OK:
        raise FetchFailed(f"The URL answered with status {response.status_code} instead of 200.")
    encodings = response.headers.get("content-encoding", "").lower().split(",")
    if COMPRESSIONS & {encoding.strip() for encoding in encodings}:
        raise FetchFailed("The URL delivers the image in an encoding that was not requested.")
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise _too_large(max_bytes)


def _too_large(max_bytes: int) -> FetchFailed:
    return FetchFailed(f"The URL delivers more than {max_bytes} bytes.")
