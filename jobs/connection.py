"""What every class on Redis shares: its errors in our own words, and the scripts of `scripts/`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from jobs.errors import StoreUnavailable
from jobs.schema import LEGAL_MOVES

_SCRIPTS = Path(__file__).parent / "scripts"
_MOVES = json.dumps({a: dict.fromkeys(to, True) for a, to in LEGAL_MOVES.items()})


@contextmanager
def redis_errors() -> Iterator[None]:
    """Used as a decorator: a Redis that does not answer is our own error, not the library's."""
    try:
        yield
    except redis.RedisError as error:
        raise StoreUnavailable("Redis does not answer; try again in a few seconds.") from error


class Scripts:
    """Every script, each behind the prelude; nothing is sent before one is run."""

    def __init__(self, client: redis.Redis):
        prelude = (_SCRIPTS / "prelude.lua").read_text()
        self._scripts = {
            path.stem: client.register_script(prelude + path.read_text())
            for path in _SCRIPTS.glob("*.lua")
            if path.stem != "prelude"
        }

    def run(self, script: str, *arguments: str | float) -> Any:
        """What the script returns."""
        return self._scripts[script](args=[_MOVES, *arguments])
