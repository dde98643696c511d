"""Which of a worker's models are loaded, and which of those is served next.

`step` looks at what waits and does one thing: look at a model's files, unload one, or load one. A
thread calls it, so that the loaded models go on working. The rules are those of
docs/decisions/0025-one-worker-several-models.md.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from baret.engine.budget import release_memory
from baret.errors import BaretError, OutOfMemory, memory_errors
from baret.model.stable_diffusion import find_device
from core.errors import StoreUnavailable
from core.store.claims import Claim
from core.store.edits import EditStore
from core.store.model_registry import Demand
from core.telemetry.logs import get_logger
from worker.errors import public_reason
from worker.isolation import SuspectIsolation, WaitUntilAlone
from worker.model_turns import ModelTurns
from worker.slots import Outline, Resident, Slot, SlotState

log = get_logger(__name__)

ROUND_SECONDS = 1.0  # between two looks at what waits
RETRY_SECONDS = 60.0  # after which a model that could not be loaded is tried again, if edits wait
RECENT_SHARE = 0.3  # of the last edit in what an edit is expected to take

_LOADED = (SlotState.READY, SlotState.LEAVING)
_LOADABLE = (SlotState.SLEEPING, SlotState.FAILED)


class ModelLoader(Protocol):
    """Looks at models and loads them."""

    def outline(self, slot: Slot) -> Outline:
        """Return what is known of a model without loading it, or raise why it cannot be used."""

    def load(self, slot: Slot) -> Resident:
        """Load a model and make it ready for its first edit."""


class Residency:
    """The models of one worker, and the edits that it runs with them."""

    def __init__(
        self,
        slots: Sequence[Slot],
        store: EditStore,
        worker: str,
        loader: ModelLoader,
        *,
        limit: float,
        notify: Callable[[str], None] = lambda model: None,
    ):
        """Take the models.

        Args:
            slots: the models, none of them loaded.
            store: with their edits.
            worker: name of this worker.
            loader: loads models.
            limit: bytes that the loaded models may take together.
            notify: tells a worker of this model that an edit waits.
        """
        self.slots = {slot.name: slot for slot in slots}
        # Called after a model's state has changed.
        self.changed: Callable[[], None] = lambda: None
        self._store, self._worker, self._loader = store, worker, loader
        self._limit, self._notify = limit, notify
        self._turns = ModelTurns()
        self._isolation = SuspectIsolation()
        self._lock = threading.RLock()  # guards slots and turns
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._repeat, name="residency", daemon=True)

    # --- the edits

    def run_next(self, notified: str) -> str | None:
        """Claim the edit of the model whose turn it is, and run it to its end.

        Args:
            notified: the model of the message that an edit waits. If another model's turn comes
                first, another message is sent for this one.

        Returns:
            The edit's id; None if nothing waited for a loaded model.
        """
        claimed: list[Slot] = []

        def claim() -> Claim | None:
            found = None if self._stopping.is_set() else self._claim()
            if found is None:
                return None
            claimed.append(found[0])
            return found[1]

        def run(claim: Claim, wait: WaitUntilAlone) -> None:
            (slot,) = claimed
            if slot.name != notified:
                self._notify(notified)
            self._run(slot, claim, wait)

        found = self._isolation.claim_and_run(claim, run)
        return found.id if found else None

    def _claim(self) -> tuple[Slot, Claim] | None:
        demand = self._demand()
        with self._lock:
            for name in self._turns.in_order(self.ready_models):
                claim = self._store.claim(name)
                if claim is not None:
                    slot = self.slots[name]
                    slot.in_flight += 1
                    slot.used_at = time.monotonic()
                    self._turns.charge(name, slot.edit_seconds, demand[name].weight)
                    return slot, claim
        return None

    def _run(self, slot: Slot, claim: Claim, wait: WaitUntilAlone) -> None:
        resident, started = slot.resident, time.monotonic()
        try:
            if resident is not None:
                resident.runner.run(claim, wait)
        finally:
            with self._lock:
                slot.in_flight -= 1
                slot.used_at = time.monotonic()
                spent = slot.used_at - started
                slot.edit_seconds += RECENT_SHARE * (spent - slot.edit_seconds)
            self._wake.set()

    def _demand(self) -> dict[str, Demand]:
        demand = self._store.demand(self._worker, list(self.slots))
        with self._lock:
            self._turns.note_waiting([name for name, one in demand.items() if one.waiting])
        return demand

    # --- the models

    def start(self) -> None:
        """Load and unload from now on, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Hand running edits back at their next UNet call, and claim no new ones."""
        self._stopping.set()
        self._wake.set()
        for resident in [slot.resident for slot in self.slots.values()]:
            if resident is not None:
                resident.runner.stop()

    @property
    def ready_models(self) -> list[str]:
        """The models that edits are claimed for now."""
        return [slot.name for slot in self.slots.values() if slot.state is SlotState.READY]

    def close(self) -> None:
        """Stop, and wait for a model that is being loaded: a process must not end in the midst."""
        self.stop()
        if self._thread.is_alive():
            self._thread.join()

    def load_first(self) -> Resident:
        """Load the first model that can be loaded.

        Raises:
            Exception: why the last of them could not be loaded.
        """
        error: Exception | None = None
        for slot in self.slots.values():
            error = self._load(slot)
            if slot.resident is not None:
                return slot.resident
        raise error or RuntimeError("There are no models.")

    def step(self) -> bool:
        """Look at a model's files, unload a model or load one; return whether there was need."""
        for slot in self.slots.values():
            if slot.described is None and slot.state is SlotState.SLEEPING:
                self._look_at(slot)
                return True
        demand = self._demand()
        left = [slot for slot in self.slots.values() if slot.state is SlotState.LEAVING]
        gone = [slot for slot in left if not slot.in_flight]
        for slot in gone:
            self._unload(slot)
        target = self._target(demand)
        if target is None:
            return bool(gone)
        if self._fits(target):
            self._load(target)
            return True
        return self._make_room(target, demand) or bool(gone)

    def _repeat(self) -> None:
        while not self._stopping.is_set():
            try:
                if self.step():
                    continue
            except StoreUnavailable:
                log.warning("what waits is not known: Redis does not answer")
            self._wake.wait(ROUND_SECONDS)
            self._wake.clear()

    def _look_at(self, slot: Slot) -> None:
        try:
            outline = self._loader.outline(slot)
        except Exception as error:  # what is wrong with files has no end
            self._fail(slot, error)
            return
        with self._lock:
            slot.described, slot.bytes = outline.described, outline.bytes
        self.changed()

    def _target(self, demand: dict[str, Demand]) -> Slot | None:
        """Return the model to load next, if any: one that edits wait for, or one that has room."""
        with self._lock:
            loadable = {n: s for n, s in self.slots.items() if s.state in _LOADABLE}
            for name in self._turns.in_order(loadable):
                slot, others = loadable[name], demand[name].served + demand[name].loading
                failed = slot.state is SlotState.FAILED
                rests = failed and time.monotonic() - slot.failed_at < RETRY_SECONDS
                if demand[name].waiting > others and not rests:
                    return slot
            fresh = (slot for slot in loadable.values() if not slot.tried and self._fits(slot))
            return next(fresh, None)

    def _fits(self, slot: Slot) -> bool:
        loaded = [other.bytes for other in self.slots.values() if other.state in _LOADED]
        return not loaded or (not slot.needs_all and sum(loaded) + slot.bytes <= self._limit)

    def _make_room(self, target: Slot, demand: dict[str, Demand]) -> bool:
        """Let models go until the target fits, the idlest first; none if that is not enough."""
        with self._lock:
            loaded = [slot for slot in self.slots.values() if slot.state in _LOADED]
            taken = sum(slot.bytes for slot in loaded)
            leaving = [slot for slot in loaded if slot.state is SlotState.LEAVING]
            taken -= sum(slot.bytes for slot in leaving)
            candidates = [s for s in loaded if self._may_leave(s, target, demand)]
            candidates.sort(key=lambda slot: (not self._is_idle(slot, demand), slot.used_at))
            chosen: list[Slot] = []
            allowed = 0.0 if target.needs_all else max(0.0, self._limit - target.bytes)
            while taken > allowed and candidates:
                chosen.append(candidates.pop(0))
                taken -= chosen[-1].bytes
            if taken > allowed or not chosen:
                return False
            for slot in chosen:
                slot.state = SlotState.LEAVING
        self.changed()
        return True

    def _is_idle(self, slot: Slot, demand: dict[str, Demand]) -> bool:
        return not slot.in_flight and not demand[slot.name].waiting

    def _may_leave(self, slot: Slot, target: Slot, demand: dict[str, Demand]) -> bool:
        """Return whether a loaded model may make room: idle, or after its turn."""
        if slot.state is not SlotState.READY:
            return False
        if self._is_idle(slot, demand):
            return True
        had_its_turn = time.monotonic() - slot.ready_since >= (slot.load_seconds or 0.0)
        return (
            had_its_turn
            and not demand[target.name].served
            and self._turns.is_before(target.name, slot.name)
        )

    def _load(self, slot: Slot) -> Exception | None:
        """Load a model; return why that failed, or None."""
        started = time.monotonic()
        with self._lock:
            slot.state, slot.loading_since, slot.tried = SlotState.LOADING, started, True
        self.changed()
        try:
            with memory_errors():
                resident = self._loader.load(slot)
        except Exception as error:  # what is wrong with files has no end
            self._fail(slot, error)
            return error
        with self._lock:
            slot.resident, slot.described = resident, resident.described
            slot.bytes, slot.failure = resident.bytes, ""
            slot.ready_since = slot.used_at = time.monotonic()
            slot.load_seconds = slot.ready_since - started
            slot.state = SlotState.READY
        if self._stopping.is_set():
            resident.runner.stop()
        self.changed()
        return None

    def _fail(self, slot: Slot, error: Exception) -> None:
        beside = any(other.state in _LOADED for other in self.slots.values())
        if isinstance(error, OutOfMemory | MemoryError) and beside and not slot.needs_all:
            log.warning("no room for a model beside others; it gets the device", model=slot.name)
            with self._lock:
                slot.needs_all, slot.state = True, SlotState.SLEEPING
        else:
            log.error("model not loaded", model=slot.name, reason=str(error))
            if not isinstance(error, BaretError):
                log.exception("unexpected", exc_info=error)
            with self._lock:
                slot.state, slot.failed_at = SlotState.FAILED, time.monotonic()
                slot.failure, slot.tried = public_reason(error), True
        self.changed()

    def _unload(self, slot: Slot) -> None:
        resident = slot.resident
        with self._lock:
            slot.resident, slot.state = None, SlotState.SLEEPING
        if resident is not None:
            resident.close()
        del resident  # the last reference to its weights
        release_memory(find_device(slot.settings.device))
        log.info("model unloaded", model=slot.name)
        self.changed()
