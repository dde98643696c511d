"""Names looked up by the system's resolver, so many at once, in threads of their own.

The resolver blocks, for half a minute where a name's server does not answer, and cannot be called
off. In the event loop's own threads a few such names would hold up everything else that uses them.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address

from core.outbound.ip_policy import Address

Found = list[Address] | OSError


class Lookups:
    """Looks names up. A lookup that hangs keeps its place until it ends, given up or not."""

    def __init__(self, most: int):
        self._places = asyncio.Semaphore(most)

    async def __call__(self, host: str) -> list[Address]:
        """All addresses of a name, each once, in the resolver's order; a literal is its own.

        Raises:
            OSError: it has none.
        """
        with suppress(ValueError):
            return [ip_address(host)]
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Found] = loop.create_future()

        def end(found: Found) -> None:
            self._places.release()
            if not waiting.done():
                waiting.set_result(found)

        def tell(found: Found) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(end, found)

        # A daemon: a process that is told to stop does not wait for it.
        threading.Thread(target=_look, args=(host, tell), daemon=True).start()
        found = await waiting
        if isinstance(found, OSError):
            raise found
        return found


def _look(host: str, tell: Callable[[Found], None]) -> None:
    try:
        # As bytes, for the name is ASCII already and is not to be encoded again.
        rows = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
        tell(list(dict.fromkeys(ip_address(row[4][0]) for row in rows)))
    except OSError as error:
        tell(error)
    except ValueError as error:  # no name, or no address, that anybody could use
        tell(OSError(str(error)))
