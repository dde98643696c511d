"""Callers who take as much as they can, in every way at once; run as a process of its own.

`python -m tests.security.attackers PLAN` reads a plan (JSON, a list of `Attacker`) and attacks
until its standard input is closed. Then it prints how its requests were answered: way → status →
count, where status 0 is a connection that was closed without an answer, by either side; and, in a
line of its own, the seconds that it computed.
"""

import asyncio
import json
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from tests.support.crafted_images import jpeg_of_many_scans

Count = Counter[int]
MAX_KEPT = 300_000  # bytes of an answer
RAMP_SECONDS = 5.0  # in which an attacker begins with everything


@dataclass(frozen=True)
class Request:
    """A request as it is sent."""

    line: str  # method and target
    head: str = ""  # lines
    body: bytes = b""
    is_left: bool = False  # its client closes the socket at once


def form(image: bytes) -> Request:
    """Return a POST of an image."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na cat\r\n'
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n'
        + image
        + b"\r\n--x--\r\n"
    )
    head = f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {len(body)}\r\n"
    return Request("POST /v1/edits", head, body)


def json_request(line: str, body: dict[str, object]) -> Request:
    """Return a request with a JSON body, and an idempotency key of its own."""
    text = json.dumps(body).encode()
    head = (
        f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
        f"Idempotency-Key: {uuid4().hex}\r\n"
    )
    return Request(line, head, text)


BOMB = form(jpeg_of_many_scans(20_000))
# As much as a request may hold: 65 kB in UTF-8.
METADATA = {f"{n:02}" + "\U0001f600" * 510: "\U0001f600" * 512 for n in range(16)}
LIST = Request("GET /v1/edits?metadata[order]=none")


@dataclass(frozen=True)
class Attacker:
    """One caller, and how much of each it asks for at once."""

    host: str
    port: int
    key: str
    large: str  # id of an edit with a large output
    queued: str  # id of an edit that waits
    conversions: int = 40  # of the large output, whose sockets are closed at once
    bombs: int = 24  # JPEGs of 20,000 scans
    lists_a_second: int = 10  # by a filter that selects nothing
    streams: int = 225
    waits: int = 25
    hoards: int = 2  # edits with as much metadata as there may be, canceled and then deleted
    source: str = ""  # id of an edit whose photo they use
    counts: dict[str, Count] = field(default_factory=dict, compare=False)

    async def attack(self) -> None:
        """Attack in every way until canceled."""
        queued = f"GET /v1/edits/{self.queued}"
        conversion = Request(f"GET /v1/edits/{self.large}/image?format=webp", is_left=True)
        await asyncio.gather(
            self._repeat("conversions", self.conversions, conversion, pause=3.0),
            self._repeat("bombs", self.bombs, BOMB, pause=0.5),
            self._repeat("lists", 1, LIST, pause=1 / self.lists_a_second),
            self._repeat("streams", self.streams, Request(f"{queued}/events"), pause=10.0),
            self._repeat("waits", self.waits, Request(f"{queued}?wait=60"), pause=10.0),
            *(self._hoard() for _ in range(self.hoards)),
        )

    async def _repeat(self, way: str, at_once: int, request: Request, pause: float) -> None:
        count = self.counts.setdefault(way, Counter())

        async def again_and_again(number: int) -> None:
            await asyncio.sleep(RAMP_SECONDS * number / at_once)
            while True:
                try:
                    await self._send(request, count)
                except (OSError, IndexError):  # closed without an answer
                    count[0] += 1
                await asyncio.sleep(pause)

        await asyncio.gather(*map(again_and_again, range(at_once)))

    async def _hoard(self) -> None:
        """Make edits that use another's photo, cancel them and delete every second one."""
        count = self.counts.setdefault("hoards", Counter())
        number = 0
        while True:
            number += 1
            with suppress(OSError, IndexError, ValueError):  # the service was killed meanwhile
                body = {"prompt": "a cat", "source": self.source, "metadata": METADATA}
                answer = await self._send(json_request("POST /v1/edits", body), count)
                if edit_id := json.loads(answer.partition(b"\r\n\r\n")[2]).get("id"):
                    await self._send(Request(f"POST /v1/edits/{edit_id}/cancel"), count)
                    if number % 2:
                        await self._send(Request(f"DELETE /v1/edits/{edit_id}"), count)
            await asyncio.sleep(0.1)

    async def _send(self, request: Request, count: Count) -> bytes:
        """Send a request, count its status, and read its answer to the end.

        Returns:
            The last of what came, which is all of a small answer.
        """
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(
                f"{request.line} HTTP/1.1\r\nHost: {self.host}\r\nConnection: close\r\n"
                f"Authorization: Bearer {self.key}\r\n{request.head}\r\n".encode()
                + request.body
            )
            await writer.drain()
            if request.is_left:
                count[0] += 1
                return b""
            count[int((await reader.readline()).split()[1])] += 1
            answer = b""
            while part := await reader.read(65536):
                answer = (answer + part)[-MAX_KEPT:]
            return answer
        finally:
            writer.close()


async def _attack(attackers: list[Attacker]) -> None:
    task = asyncio.gather(*(one.attack() for one in attackers))
    asyncio.get_running_loop().add_reader(sys.stdin, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


def main() -> None:
    """Attack as the plan says."""
    os.nice(19)  # the attackers' own work is not part of the attack
    attackers = [Attacker(**one) for one in json.loads(Path(sys.argv[1]).read_text())]
    asyncio.run(_attack(attackers))
    total: dict[str, Count] = {}
    for attacker in attackers:
        for way, count in attacker.counts.items():
            total.setdefault(way, Counter()).update(count)
    print(json.dumps(total))
    print(time.process_time())


if __name__ == "__main__":
    main()
