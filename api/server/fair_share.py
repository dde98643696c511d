"""Fair shares of what all callers use together: decoders, streams, threads that read.

A pool has slots. Two rules keep a caller from taking them from others, however much it asks for:

1. It holds at most as many slots as stay free (the dynamic threshold of Choudhury and Hahne, 1998).
   Alone it gets half of a pool; n greedy callers get a share of 1/(n + 1) each, and as much stays
   free for the next one. One slot is always allowed, if there is one.
2. Some slots are reserved for light callers: those that were served before, and have lately used at
   most half as much as the callers present do on average.

Who must wait, waits in turn by caller, not in order of arrival: the next slot goes to the caller
that has used the pool least lately, and between equals to the one served longest ago.
"""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from api.problems.errors import Overloaded, RateLimited

FORGOTTEN = 1e-3  # slots; a caller that used less than this lately is as good as new
USED_UP = CALLER, POOL = "caller", "pool"  # what was, when a request was refused
AGAIN_SECONDS = 1.0  # between two looks whether one that waits may have a reserved slot
MIN_PRUNED = 256  # accounts; below this none is looked for to be forgotten


@dataclass(frozen=True)
class PoolLimits:
    """The limits of a pool."""

    slots: int
    reserve: int = 0  # slots that only light callers may take
    waiting: int = 0  # requests of one caller that may wait at a time
    wait_seconds: float = 0.0  # that a request waits for its turn
    retry_after: int = 5  # seconds, in a refusal
    # Whether a caller's use is what `charge` is told, not the time that it holds slots: on a busy
    # machine what needs little holds its slot for long, too.
    is_metered: bool = False
    memory_seconds: float = 60.0  # after which a caller's past use counts for 1/e


@dataclass(eq=False)
class _Account:
    """What a caller holds, and has used lately."""

    at: float  # when `use` was brought up to date
    held: int = 0
    served: int = 0  # slots, since it was last forgotten
    use: float = 0.0  # slots held or paid for, averaged over time; the past counts less and less
    waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)

    @property
    def is_present(self) -> bool:
        return bool(self.held or self.waiting)

    def update(self, now: float, limits: PoolLimits) -> float:
        """Bring `use` up to date and return it."""
        kept = math.exp((self.at - now) / limits.memory_seconds)
        self.use = self.use * kept + (0 if limits.is_metered else self.held * (1 - kept))
        self.at = now
        return self.use


class FairShare:
    """A pool of slots, shared fairly by callers; used in one event loop only."""

    def __init__(
        self,
        name: str,
        what: str,
        limits: PoolLimits,
        *,
        clock: Callable[[], float] = time.monotonic,
    ):
        """Create a pool whose slots are all free.

        Args:
            name: in metrics.
            what: the things that take slots, in refusals: "images being decoded".
            limits: of the pool.
            clock: seconds.
        """
        self.name, self.limits = name, limits
        self.in_use = 0
        self.granted = 0  # slots, so far
        self.waited_seconds = 0.0  # for slots, so far
        self.refused: Counter[str] = Counter()  # by what was used up
        self._what, self._clock = what, clock
        self._accounts: dict[str, _Account] = {}  # the longest served first
        self._prune_above = MIN_PRUNED
        self._timer: asyncio.TimerHandle | None = None

    @property
    def slots(self) -> int:
        """Return how many slots there are."""
        return self.limits.slots

    @property
    def waiting(self) -> int:
        """Return how many requests wait for a slot."""
        return sum(len(account.waiting) for account in self._accounts.values())

    @property
    def callers_waiting(self) -> int:
        """Return how many callers wait for a slot."""
        return sum(bool(account.waiting) for account in self._accounts.values())

    def held_by(self, caller: str) -> int:
        """Return how many slots a caller holds."""
        account = self._accounts.get(caller)
        return account.held if account else 0

    def use_of(self, caller: str) -> float:
        """Return how many slots a caller has used lately, on average."""
        account = self._accounts.get(caller)
        return self._update(account) if account else 0.0

    def is_light(self, caller: str) -> bool:
        """Return whether a caller that holds a slot uses little, compared with those present.

        Alone every caller does. Beside others, it must have been served before.
        """
        account = self._account(caller)
        if not any(one.is_present for one in self._accounts.values() if one is not account):
            return True
        return self._is_known(account) and account.use <= self._light_use(account)

    @asynccontextmanager
    async def slot(self, caller: str) -> AsyncIterator[None]:
        """Hold a slot inside.

        Raises:
            RateLimited: the caller's own share is used up, and its requests wait already.
            Overloaded: the pool is used up.
        """
        await self.acquire(caller)
        try:
            yield
        finally:
            self.release(caller)

    def try_acquire(self, caller: str) -> bool:
        """Take a slot if one is free for the caller, and return whether it did."""
        account = self._account(caller)
        if account.waiting or not self._may_take(account):
            return False
        self._take(caller, account)
        return True

    async def acquire(self, caller: str, *, is_first: bool = False) -> None:
        """Take a slot, in turn. A canceled wait leaves nothing behind.

        Args:
            caller: who takes it.
            is_first: whether it goes before whatever else of the same caller waits.

        Raises:
            RateLimited, Overloaded: as `slot`.
        """
        if self.try_acquire(caller):
            return
        account = self._account(caller)
        if len(account.waiting) >= self.limits.waiting:
            raise self._refusal(account)
        turn = asyncio.get_running_loop().create_future()
        (account.waiting.appendleft if is_first else account.waiting.append)(turn)
        self._look_again_soon()
        started = self._clock()
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.release(caller)  # its turn came in the same moment
            elif turn in account.waiting:
                account.waiting.remove(turn)
            if isinstance(error, TimeoutError):
                raise self._refusal(account) from error
            raise
        finally:
            self.waited_seconds += self._clock() - started

    def release(self, caller: str) -> None:
        """Give a slot back; the next caller takes it."""
        account = self._accounts[caller]
        self._update(account)
        account.held -= 1
        self.in_use -= 1
        self._serve_waiting()

    def charge(self, caller: str, seconds: float) -> None:
        """Count what a caller's slots were used for, in a pool that is metered."""
        account = self._account(caller)
        self._update(account)
        account.use += seconds / self.limits.memory_seconds

    def refund(self, caller: str, seconds: float) -> None:
        """Take time back that a slot was held for until now, but not used."""
        account = self._account(caller)
        counted = 1 - math.exp(-seconds / self.limits.memory_seconds)
        account.use = max(0.0, self._update(account) - counted)

    def _update(self, account: _Account) -> float:
        return account.update(self._clock(), self.limits)

    def _look_again_soon(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(AGAIN_SECONDS, self._look_again)

    def _look_again(self) -> None:
        """Serve those who are light by now, because the holders of slots have used more."""
        self._timer = None
        self._serve_waiting()
        if self.waiting:
            self._look_again_soon()

    def _serve_waiting(self) -> None:
        while self.in_use < self.limits.slots:
            light_use = self._light_use()
            able = [
                (self._update(account), caller, account)
                for caller, account in self._accounts.items()
                if account.waiting and self._may_take(account, light_use)
            ]
            if not able:
                return
            _, caller, account = min(able, key=lambda one: one[0])
            turn = account.waiting.popleft()
            if not turn.done():  # else it was canceled a moment ago
                self._take(caller, account)
                turn.set_result(None)

    def _may_take(self, account: _Account, light_use: float | None = None) -> bool:
        free = self.limits.slots - self.in_use
        if free <= 0 or (account.held and account.held >= free):
            return False
        if free > self.limits.reserve:
            return True
        if light_use is None:
            light_use = self._light_use(account)
        return self._is_known(account) and account.use <= light_use

    def _is_known(self, account: _Account) -> bool:
        """Return whether a caller has given a slot back: then it is known how much it uses."""
        return account.served > account.held

    def _light_use(self, newcomer: _Account | None = None) -> float:
        """Return half of what those present, and the newcomer, use on average."""
        present = [one for one in self._accounts.values() if one.is_present or one is newcomer]
        return sum(map(self._update, present)) / (2 * len(present)) if present else 0.0

    def _take(self, caller: str, account: _Account) -> None:
        self._update(account)
        account.held += 1
        account.served += 1
        self.in_use += 1
        self.granted += 1
        self._accounts[caller] = self._accounts.pop(caller)  # served last of all

    def _account(self, caller: str) -> _Account:
        account = self._accounts.get(caller)
        if account is None:
            if len(self._accounts) >= self._prune_above:
                self._prune()
            account = self._accounts[caller] = _Account(self._clock())
        return account

    def _prune(self) -> None:
        """Forget callers that have long used nothing."""
        self._accounts = {
            caller: account
            for caller, account in self._accounts.items()
            if account.is_present or self._update(account) >= FORGOTTEN
        }
        self._prune_above = max(MIN_PRUNED, 2 * len(self._accounts))

    def _refusal(self, account: _Account) -> RateLimited | Overloaded:
        seconds = self.limits.retry_after
        if account.is_present:
            self.refused[CALLER] += 1
            return RateLimited(
                f"You have as many {self._what} as your share allows. Wait until one has ended, "
                "then send this request again.",
                retry_after=seconds,
            )
        self.refused[POOL] += 1
        return Overloaded(
            f"All callers together have too many {self._what}. Send this request again later.",
            retry_after=seconds,
        )
