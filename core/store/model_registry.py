"""Which models there are, and which live workers serve them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from core.schema import Model, ModelState
from core.store import keys
from core.store.connection import RedisStore, redis_errors
from core.store.stats import live_workers, model_states, redis_now, served_models
from core.telemetry.logs import get_logger

WORKER_SECONDS = 15.0  # that an announcement counts; workers repeat it more often

log = get_logger(__name__)

_MODEL = TypeAdapter(Model)


@dataclass(frozen=True)
class Demand:
    """What waits for one of a worker's models."""

    waiting: int  # edits
    weight: float  # callers who wait: of one who waits for several models only a part
    served: int  # other workers that have it loaded
    loading: int  # other workers that are loading it


class ModelRegistry(RedisStore):
    """The part of `EditStore` that workers announce their models to."""

    @redis_errors()
    def announce(
        self,
        worker: str,
        model: Model,
        *,
        version: str = "",
        started_in: float | None = None,
        loaded_in: float | None = None,
    ) -> None:
        """Announce that a worker consumes with this model loaded; repeat within 15 s.

        Args:
            worker: its unique name, without spaces.
            model: as it is announced.
            version: of the worker's code.
            started_in: seconds that the worker took to start; None if they were not measured.
            loaded_in: seconds that it took to load the model while it was live; None likewise.
        """
        measured = ["" if one is None else round(one, 1) for one in (started_in, loaded_in)]
        text = _announcement(model)
        self._run("announce", worker, model.id, text, WORKER_SECONDS, version, *measured)

    @redis_errors()
    def announce_standby(
        self, worker: str, model: Model, *, loading_since: float | None = None
    ) -> None:
        """Announce that a live worker would load this model; repeat within 15 s.

        Args:
            worker, model: as for `announce`.
            loading_since: when it began to load it, by `now`; None if it does not.
        """
        since = "" if loading_since is None else int(loading_since * 1000)
        self._run("announce_standby", worker, model.id, _announcement(model), WORKER_SECONDS, since)

    @redis_errors()
    def announce_failed(self, worker: str, model: str, reason: str) -> None:
        """Announce that a live worker could not load a model; repeat within 15 s.

        Args:
            worker: its unique name, without spaces.
            model: the model's id.
            reason: why, for callers.
        """
        self._run("announce_failed", worker, model, reason, WORKER_SECONDS)

    @redis_errors()
    def demand(self, worker: str, models: Sequence[str]) -> dict[str, Demand]:
        """Return what waits for each of a worker's models."""
        found = self._run("demand", worker, *models)
        return {
            model: Demand(waiting, weight / 1000, served, loading)
            for model, (waiting, weight, served, loading) in zip(models, found, strict=True)
        }

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
        """Withdraw whatever a worker has announced of a model."""
        self._run("withdraw", worker, model.id)

    @redis_errors()
    def withdraw_model(self, worker: str, model: str) -> None:
        """Do the same by the model's id, also if it could not be loaded."""
        self._run("withdraw", worker, model)

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
        return live_workers(self._redis)

    @redis_errors()
    def live_models(self) -> dict[str, Model]:
        """Return the models that a live worker serves, by id."""
        served = set(served_models(self._redis))
        return {name: model for name, model in self.models().items() if name in served}

    @redis_errors()
    def models_with_state(self) -> dict[str, Model]:
        """Return every model that a worker has ever announced, with its state now, by id."""
        states = model_states(self._redis)
        return {
            name: model.model_copy(update={"state": states.get(name, ModelState.SLEEPING)})
            for name, model in self.models().items()
        }


def _announcement(model: Model) -> str:
    return model.model_dump_json(exclude={"default", "state"})


def _readable(announcements: dict[str, str]) -> Iterator[tuple[str, Model]]:
    """Yield the models that can be read; live workers announce theirs again within seconds."""
    for name, text in announcements.items():
        try:
            yield name, _MODEL.validate_json(text)
        except ValueError:
            log.error("a model's announcement cannot be read", model=name)
