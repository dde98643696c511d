"""Which models there are, and which live workers serve them."""

from collections.abc import Iterator

from pydantic import TypeAdapter

from core.schema import Model
from core.store import keys
from core.store.connection import RedisStore, redis_errors
from core.store.stats import loading_models, redis_now, served_models, state_of
from core.telemetry.logs import get_logger

WORKER_SECONDS = 15.0  # that an announcement counts; workers repeat it more often

log = get_logger(__name__)

_MODEL = TypeAdapter(Model)


class ModelRegistry(RedisStore):
    """The part of `EditStore` that workers announce their models to."""

    @redis_errors()
    def announce(
        self, worker: str, model: Model, *, version: str = "", started_in: float | None = None
    ) -> None:
        """Announce that a worker consumes with this model loaded; repeat within 15 s.

        Args:
            worker: its unique name, without spaces.
            model: as it is announced.
            version: of the worker's code.
            started_in: seconds that the worker took to start; None if they were not measured.
        """
        announcement = model.model_dump_json(exclude={"default", "state"})
        start = "" if started_in is None else round(started_in, 1)
        self._run("announce", worker, model.id, announcement, WORKER_SECONDS, version, start)

    @redis_errors()
    def announce_loading(self, worker: str, model: str, *, since: float) -> None:
        """Announce that a worker is loading a model; repeat within 15 s.

        Args:
            worker: its unique name, without spaces.
            model: the model's id.
            since: when the worker started, by `now`.
        """
        self._run("announce_loading", worker, model, int(since * 1000), WORKER_SECONDS)

    @redis_errors()
    def now(self) -> float:
        """Return Redis's clock, as a Unix time."""
        return redis_now(self._redis)

    @redis_errors()
    def withdraw(self, worker: str, model: Model) -> None:
        """Withdraw a worker's announcement."""
        member = f"{worker} {model.id}"
        self._redis.zrem(keys.WORKERS, member)
        self._redis.hdel(keys.WORKER_VERSIONS, member)

    @redis_errors()
    def forget(self, model: str) -> str:
        """Forget a model that no worker serves any more, unless it is still in use.

        Returns:
            "forgotten", "unknown", "served" (a worker is live or loads it) or "waited for" (edits
            are queued or run).
        """
        outcome: str = self._run("forget_model", model)
        return outcome

    @redis_errors()
    def models(self) -> dict[str, Model]:
        """Return every model that a worker has ever announced, by id."""
        return dict(_readable(self._redis.hgetall(keys.MODELS)))

    @redis_errors()
    def live_workers(self) -> int:
        """Return how many workers are live."""
        return len(served_models(self._redis))

    @redis_errors()
    def live_models(self) -> dict[str, Model]:
        """Return the models that a live worker serves, by id."""
        served = set(served_models(self._redis))
        return {name: model for name, model in self.models().items() if name in served}

    @redis_errors()
    def models_with_state(self) -> dict[str, Model]:
        """Return every model that a worker has ever announced, with its state now, by id."""
        served, loading = set(served_models(self._redis)), set(loading_models(self._redis))
        return {
            name: model.model_copy(update={"state": state_of(name in served, name in loading)})
            for name, model in self.models().items()
        }


def _readable(announcements: dict[str, str]) -> Iterator[tuple[str, Model]]:
    """Yield the models that can be read; live workers announce theirs again within seconds."""
    for name, text in announcements.items():
        try:
            yield name, _MODEL.validate_json(text)
        except ValueError:
            log.error("a model's announcement cannot be read", model=name)
