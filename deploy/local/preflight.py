"""What a stack must have to itself, checked before anything starts: a data folder and a port."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from deploy.local.errors import CannotStart


@contextmanager
def data_folder(data: Path) -> Iterator[TextIO]:
    """Hold the folder while inside; whoever inherits the open file holds it as well.

    Raises:
        CannotStart: another stack holds it.
    """
    data.mkdir(parents=True, exist_ok=True)
    with (data / "stack.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(
                f"Another stack (process {lock.read().strip()}) uses the data folder {data}, "
                "or is still stopping. Stop it, or run a second one with its own BARET_DATA_DIR "
                "and BARET_PORT."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def port(host: str, number: int) -> None:
    """See whether the API will be able to listen.

    Raises:
        CannotStart: it will not.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, number), family=family).close()
    except OSError as error:
        raise CannotStart(
            f"The API cannot listen on {host} port {number} ({error.strerror}). "
            "Set BARET_PORT (or BARET_HOST) to another one, such as: "
            f"BARET_PORT={number + 1} make run"
        ) from error
