"""Which models there are, and which live workers serve them."""

from collections.abc import Iterator

from pydantic import TypeAdapter

from core.schema import Model
from core.store import keys
from core.store.connection import RedisStore, redis_errors
from core.store.stats import redis_now, served_models
from core.telemetry.logs import get_logger

WORKER_SECONDS = 15.0  # that an announcement counts; workers repeat it more often

log = get_logger(__name__)

_MODEL = TypeAdapter(Model)


class ModelRegistry(RedisStore):
    """The part of `EditStore` that workers announce their models to."""

    @redis_errors()
    def announce(self, worker: str, model: Model) -> None:
        """Announce that a worker consumes with this model loaded; repeat within 15 s."""
        self._write("HSET", keys.MODELS, model.id, model.model_dump_json())
        until = redis_now(self._redis) + WORKER_SECONDS
        self._write("ZADD", keys.WORKERS, until, f"{worker} {model.id}")

    @redis_errors()
    def withdraw(self, worker: str, model: Model) -> None:
        """Withdraw a worker's announcement."""
        self._redis.zrem(keys.WORKERS, f"{worker} {model.id}")

    @redis_errors()
    def models(self) -> dict[str, Model]:
        """Return every model that a worker has ever announced, by id."""
        return dict(_readable(self._redis.hgetall(keys.MODELS)))

    @redis_errors()
    def live_models(self) -> dict[str, Model]:
        """Return the models that a live worker serves, by id."""
        served = set(served_models(self._redis))
        return {name: model for name, model in self.models().items() if name in served}


def _readable(announcements: dict[str, str]) -> Iterator[tuple[str, Model]]:
    """Yield the models that can be read; live workers announce theirs again within seconds."""
    for name, text in announcements.items():
        try:
            yield name, _MODEL.validate_json(text)
        except ValueError:
            log.error("a model's announcement cannot be read", model=name)
