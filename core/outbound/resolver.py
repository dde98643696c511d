"""Name resolution by the system's resolver, in a bounded number of threads.

The system's resolver blocks, for half a minute if a name's server does not answer, and cannot be
canceled. In the event loop's own threads, a few such names would stall everything else.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

from core.outbound.ip_policy import Address

LookupResult = list[Address] | OSError


class ThreadedResolver:
    """Resolves names, each in a thread. A lookup keeps its slot until it ends, even if canceled."""

    def __init__(self, max_lookups: int):
        self._slots = asyncio.Semaphore(max_lookups)

    async def resolve(self, host: str) -> list[Address]:
        """Return the distinct addresses of a name, in the resolver's order.

        An address resolves to itself.

        Raises:
            OSError: the name has no address.
        """
        with suppress(ValueError):
            return [ip_address(host)]
        await self._slots.acquire()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[LookupResult] = loop.create_future()

        def finish(result: LookupResult) -> None:
            self._slots.release()
            if not future.done():
                future.set_result(result)

        def report(result: LookupResult) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(finish, result)

        # A daemon thread, so that a process which shuts down does not wait for it.
        threading.Thread(target=_look_up, args=(host, report), daemon=True).start()
        result = await future
        if isinstance(result, OSError):
            raise result
        return result


def _look_up(host: str, report: Callable[[LookupResult], None]) -> None:
    try:
        # As bytes: the name is ASCII already and must not be encoded again.
        rows = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
        report(list(dict.fromkeys(ip_address(row[4][0]) for row in rows)))
    except OSError as error:
        report(error)
    except ValueError as error:  # not a usable name, or not a usable address
        report(OSError(str(error)))
