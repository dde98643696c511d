"""Pictures fetched from URLs that callers give: bounded in time, bytes, crumbs and number."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx

from core.errors import FetchersBusy, FetchFailed, TooManyFetches
from core.outbound.client import Connection, safe_client
from core.outbound.ip_policy import check_url
from core.settings import Network

FETCH_SECONDS = 30.0  # for a whole picture, however slowly its bytes drip
PHASE_SECONDS = 10.0  # for a name, a connection, a handshake, or between two parts
PLACE_SECONDS = 5.0  # that a fetch waits until there is room for it

AT_ONCE = 16  # each may hold a whole picture in memory
OF_ONE_KEY = 4
# A lookup may hang three times as long as a fetch waits for it.
LOOKUPS = 4 * AT_ONCE

# Each part costs the same however few bytes are in it: these make 400 bytes a part of 20 MB.
MAX_PARTS = 50_000
FRAMING = 1.25  # bytes on the wire for one of the picture, in chunks …
SLACK = 4096  # … and for a small one

_BUSY_RETRY = round(PLACE_SECONDS)


class Fetcher:
    """Fetches. One for a process, used in one event loop."""

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        seconds: float = FETCH_SECONDS,
        place_seconds: float = PLACE_SECONDS,
    ):
        """Take the bounds.

        Args:
            networks: opened although not public.
            seconds: for a whole fetch.
            place_seconds: that one waits for room.
        """
        self._networks, self._seconds, self._place_seconds = networks, seconds, place_seconds
        self._client = safe_client(
            networks, timeout=min(PHASE_SECONDS, seconds), keep_alive=False, lookups=LOOKUPS
        )
        self._under_way: Counter[str | None] = Counter()
        self._ended = asyncio.Condition()

    async def close(self) -> None:
        """Give every connection back."""
        await self._client.aclose()

    async def fetch(self, url: str, *, max_bytes: int, key: str | None = None) -> bytes:
        """The bytes behind a URL.

        Args:
            url: as a caller gave it.
            max_bytes: of the picture.
            key: who asks, where each may have a share only.

        Raises:
            AddressNotAllowed: the URL leads to an address that is not public.
            FetchFailed: it did not answer 200 with at most `max_bytes`, unencoded, in time.
            TooManyFetches: the key has all its fetches under way.
            FetchersBusy: so has everybody.
        """
        check_url(url, self._networks)
        async with self._place(key):
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._fetched(url, max_bytes)
            except TimeoutError as error:
                raise FetchFailed("The URL did not deliver the picture in time.") from error
            except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
                # UnicodeError: a host name that claims to be IDNA and is not.
                message = "The URL could not be fetched; send the picture itself."
                raise FetchFailed(message) from error

    async def _fetched(self, url: str, max_bytes: int) -> bytes:
        async with self._client.stream("GET", url, headers={"accept": "image/*"}) as answer:
            _check_head(answer, max_bytes)
            connection: Connection = answer.extensions["network_stream"]
            connection.allow(round(max_bytes * FRAMING) + SLACK)
            parts: list[bytes] = []
            left = max_bytes
            async for part in answer.aiter_raw():
                left -= len(part)
                parts.append(part)
                if left < 0:
                    raise _too_much(max_bytes)
                if len(parts) > MAX_PARTS:
                    raise FetchFailed("The URL delivers the picture in too small parts.")
                await asyncio.sleep(0)  # many parts may lie ready: let others have their turn
            return b"".join(parts)

    @asynccontextmanager
    async def _place(self, key: str | None) -> AsyncIterator[None]:
        async with self._ended:
            try:
                async with asyncio.timeout(self._place_seconds):
                    await self._ended.wait_for(lambda: self._has_room(key))
            except TimeoutError as error:
                raise self._refusal(key) from error
            self._under_way[key] += 1
        try:
            yield
        finally:
            self._under_way -= Counter({key: 1})  # and forgets a key that has none left
            async with self._ended:
                self._ended.notify_all()

    def _has_room(self, key: str | None) -> bool:
        return self._under_way.total() < AT_ONCE and not self._has_its_share(key)

    def _has_its_share(self, key: str | None) -> bool:
        return key is not None and self._under_way[key] >= OF_ONE_KEY

    def _refusal(self, key: str | None) -> TooManyFetches | FetchersBusy:
        if self._has_its_share(key):
            return TooManyFetches(
                f"{OF_ONE_KEY} pictures of this key are being fetched from slow URLs already; try "
                "again later, or send the picture itself.",
                retry_after=_BUSY_RETRY,
            )
        return FetchersBusy(
            "Many pictures are being fetched from slow URLs; try again later, or send the picture "
            "itself.",
            retry_after=_BUSY_RETRY,
        )


def _check_head(answer: httpx.Response, max_bytes: int) -> None:
    """Refuse an answer by its head.

    Raises:
        FetchFailed: it is not 200 with at most that many bytes, as they are.
    """
    if answer.status_code != httpx.codes.OK:
        raise FetchFailed(f"The URL answered {answer.status_code}, not 200.")
    if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise FetchFailed("The URL delivers the picture in an encoding that was not asked for.")
    stated = answer.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > max_bytes:
        raise _too_much(max_bytes)


def _too_much(max_bytes: int) -> FetchFailed:
    return FetchFailed(f"The URL delivers more than {max_bytes} bytes.")
