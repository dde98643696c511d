"""Checks before anything starts: the data folder and the port must be free, the folder private."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from core.private_files import keep_private
from deploy.local.errors import CannotStart


def close_data_folder(data: Path) -> None:
    """Let no other user read the data folder, nor anything that the stack will write.

    Raises:
        CannotStart: the folder is another user's, who could read it.
    """
    try:
        keep_private(data)
        data.mkdir(parents=True, exist_ok=True)
    except PermissionError as error:
        raise CannotStart(
            f"The data folder {data} can be read by others and is not yours to close. Change its "
            "owner, or set BARET_DATA_DIR to another one."
        ) from error


@contextmanager
def lock_data_folder(data: Path) -> Iterator[TextIO]:
    """Lock the folder while inside. Processes that inherit the open file hold the lock too.

    Raises:
        CannotStart: another stack holds the lock.
    """
    with (data / "stack.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise CannotStart(
                f"The data folder {data} is used by another stack (process {lock.read().strip()}), "
                "which may still be stopping. Stop it, or set BARET_DATA_DIR and BARET_PORT to run "
                "a second one."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


def check_port(host: str, port: int) -> None:
    """Check that the API will be able to listen.

    Raises:
        CannotStart: it cannot.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise CannotStart(
            f"The API cannot listen on {host} port {port} ({error.strerror}). "
            "Set BARET_PORT or BARET_HOST to another value, for example: "
            f"BARET_PORT={port + 1} make run"
        ) from error
