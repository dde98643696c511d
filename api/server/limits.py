"""Limits of one process: open files, memory, connections, and the time that clients may take."""

import ctypes
import resource
from dataclasses import dataclass

OTHER_FILES = 1000  # that serve everything but followers

LARGE_BLOCK = 64 * 1024  # bytes
_M_MMAP_THRESHOLD = -3  # of mallopt(3)

MAX_WAIT = 60  # seconds that a request may wait for an edit to end
# Of a request in OpenAI's shape, whose clients wait for 5 minutes (n8n) or 10 (the official ones).
MAX_IMAGE_WAIT = 280


@dataclass(frozen=True)
class BodyTimeouts:
    """How slowly a body may arrive; a slow one holds a connection, memory and files."""

    pause_seconds: float = 20.0  # maximum between two parts
    grace_seconds: float = 20.0  # for the whole body, plus a second …
    bytes_a_second: int = 32 * 1024  # … for each of these: 11 minutes for the largest image


@dataclass(frozen=True)
class ConnectionLimits:
    """What a connection may take; bodies have `BodyTimeouts`."""

    head_seconds: float = 15.0  # from a request's first byte, or a connection's beginning
    # Between two requests. Longer than proxies keep idle connections (60 s at most by default in
    # nginx, ALB and HAProxy): else one is sent a request just as this side closes it.
    idle_seconds: float = 75.0
    # Between two checks of an answer that the client has not read. The system's own buffer of some
    # megabytes takes more only when a third of it is free, so this time catches 20 kB a second.
    unread_seconds: float = 60.0
    unread_bytes: int = 64 * 1024  # of the answer that must be gone by then
    unread_in_all: int = 256 * 1024 * 1024  # above this, the longest-waiting client is cut off
    # Between a client's closing of its side and the first look whether it has gone altogether.
    gone_seconds: float = 2.0
    connections: int = 2500  # above this, the connection that waited longest for a head is closed


def open_files(streams: int) -> int:
    """Return how many files a process needs to hold so many event streams and waiting requests.

    Each holds two: its client's connection and its own to Redis.
    """
    return 2 * streams + OTHER_FILES


def max_connections() -> int:
    """Return half of the files that may be open; Redis, images and fetches need the others."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2


def raise_open_files_limit(target: int) -> None:
    """Raise this process's limit on open files, usually 1024, as far as the system allows.

    At the limit the server accepts no more connections.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = target if hard == resource.RLIM_INFINITY else min(target, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def give_large_blocks_back() -> None:
    """Have memory of at least `LARGE_BLOCK` go back to the system as soon as it is free.

    By default glibc learns from what is freed and takes the next such block, of up to 32 MB, from
    a heap that each thread keeps: after a few large bodies a process stays hundreds of megabytes
    larger. Other C libraries have no such setting, and this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)
