"""What every class on Redis shares: its errors in our own words, and the scripts of `scripts/`.

What Redis holds is trusted no more than a request is: whoever else writes there can spoil an
edit, a key or a delivery, but must not take the rest of the service along.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb
from typing import Any

import redis

from jobs.errors import StoreDamaged, StoreUnavailable
from jobs.logs import get_logger
from jobs.schema import LEGAL_MOVES

log = get_logger(__name__)

# What reading a value raises that is not as this service writes it. pydantic's, json's and the
# decoding's errors are kinds of ValueError.
UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError)

_SCRIPTS = Path(__file__).parent / "scripts"
_MOVES = json.dumps({a: dict.fromkeys(to, True) for a, to in LEGAL_MOVES.items()})


@contextmanager
def redis_errors() -> Iterator[None]:
    """Used as a decorator: what goes wrong with Redis is our own error, not the library's."""
    try:
        yield
    except redis.RedisError as error:
        if "WRONGTYPE" in str(error):
            raise _damaged(error) from error
        raise StoreUnavailable("Redis does not answer; try again in a few seconds.") from error
    except UNREADABLE as error:
        raise _damaged(error) from error


def _damaged(error: Exception) -> StoreDamaged:
    # The place, not what was there: whoever wrote that shall not write our log.
    *_, place = extract_tb(error.__traceback__)[:2]
    where = f"{Path(place.filename).name}:{place.lineno}"
    log.error("Redis holds what cannot be read", where=where, reason=type(error).__name__)
    return StoreDamaged("The service's own records are damaged; tell its operator.")


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
