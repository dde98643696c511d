"""Images that take long to decode leave room for the others, and can be stopped."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.context import ForkServerProcess
from threading import Event

import pytest

from api.problems.errors import RateLimited
from api.server.fair_share import FairShare, PoolLimits
from api.server.image_work import ImageWork
from core.errors import InvalidImage
from core.images.sandbox import DecoderSandbox, SandboxControl, warm_up
from core.schema import InputImage
from tests.support.crafted_images import jpeg_of_many_scans, photo
from tests.support.waiting import PATIENCE

SANDBOX = DecoderSandbox(cpu_seconds=1)
ENDLESS = DecoderSandbox(cpu_seconds=100_000, seconds=100_000)
BOMB = jpeg_of_many_scans(20_000)  # would be decoded for minutes
Inspect = Callable[[SandboxControl], InputImage]


@pytest.fixture(autouse=True, scope="module")
def warm_sandbox() -> None:
    warm_up()


def image_work(*, quick: int = 2, slow: int = 1, wait_seconds: float = PATIENCE) -> ImageWork:
    limits = partial(PoolLimits, waiting=50, wait_seconds=wait_seconds)
    return ImageWork(
        FairShare("quick", "images", limits(quick)),
        FairShare("slow", "large images", limits(slow)),
        quick_seconds=0.3,
    )


def inspecting(data: bytes, sandbox: DecoderSandbox = SANDBOX) -> Inspect:
    return lambda control: sandbox.inspect(data, control)


def run(test: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(test(), PATIENCE))  # type: ignore[arg-type]


def test_a_quick_image_needs_the_quick_pool_alone() -> None:
    async def test() -> None:
        work = image_work()
        image = await work.run("ann", inspecting(photo("PNG", size=(80, 60))))
        assert (image.width, image.height) == (80, 60)
        assert (work.quick.granted, work.slow.granted) == (1, 0)
        assert work.quick.in_use == 0

    run(test)


def test_an_error_of_the_image_is_passed_on() -> None:
    async def test() -> None:
        work = image_work()
        with pytest.raises(InvalidImage):
            await work.run("ann", inspecting(photo("PNG")[:-30]))
        assert work.quick.in_use == 0

    run(test)


def test_what_takes_long_moves_on_and_others_pass() -> None:
    async def test() -> None:
        work = image_work()
        bombs = [asyncio.create_task(work.run("ann", inspecting(BOMB, ENDLESS))) for _ in range(4)]
        while work.slow.waiting < 3:
            await asyncio.sleep(0.02)
        assert (work.quick.in_use, work.slow.in_use) == (0, 1)
        for _ in range(3):
            await work.run("ben", inspecting(photo("PNG")))
        for bomb in bombs:
            bomb.cancel()
        await asyncio.gather(*bombs, return_exceptions=True)
        assert work.slow.in_use == work.slow.waiting == 0

    run(test)


def test_what_waits_for_the_machine_is_not_slow_and_costs_its_caller_little() -> None:
    async def test() -> None:
        work = image_work(quick=3)
        stopped, pids = Event(), list[int]()

        def starve(control: SandboxControl) -> InputImage:
            """Inspect a photo in a process that the machine has no time for."""
            over = control.over

            @contextmanager
            def stopped_over(process: ForkServerProcess) -> Iterator[None]:
                with over(process):
                    assert process.pid is not None
                    os.kill(process.pid, signal.SIGSTOP)
                    pids.append(process.pid)
                    stopped.set()
                    yield

            control.over = stopped_over  # type: ignore[method-assign]
            return SANDBOX.inspect(photo("PNG", size=(80, 60)), control)

        starved = asyncio.create_task(work.run("ann", starve))
        await asyncio.to_thread(stopped.wait, PATIENCE)
        bomb = asyncio.create_task(work.run("ben", inspecting(BOMB, ENDLESS)))
        while not work.slow.in_use:  # the bomb has computed for as long as it may in the quick pool
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.0)  # many times as long as a photo may compute there
        assert work.quick.held_by("ann") == 1
        os.kill(pids[0], signal.SIGCONT)
        assert (await starved).width == 80
        assert (work.quick.granted, work.slow.granted) == (2, 1)
        assert work.quick.use_of("ann") < work.quick.use_of("ben") / 2
        bomb.cancel()
        await asyncio.gather(bomb, return_exceptions=True)

    run(test)


def test_what_was_killed_begins_again_in_the_slow_pool() -> None:
    async def test() -> None:
        work = image_work()
        bombs = [asyncio.create_task(work.run("ann", inspecting(BOMB))) for _ in range(2)]
        outcomes = await asyncio.gather(*bombs, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [InvalidImage, InvalidImage]
        assert (work.quick.granted, work.slow.granted) == (2, 2)
        assert work.quick.in_use == work.slow.in_use == 0

    run(test)


def test_who_waits_too_long_for_the_slow_pool_is_refused() -> None:
    async def test() -> None:
        work = image_work(wait_seconds=1)
        ahead = asyncio.create_task(work.run("ann", inspecting(BOMB, ENDLESS)))
        while not work.slow.in_use:
            await asyncio.sleep(0.02)
        with pytest.raises(RateLimited):
            await work.run("ann", inspecting(BOMB, ENDLESS))
        ahead.cancel()
        await asyncio.gather(ahead, return_exceptions=True)
        assert work.quick.in_use == work.slow.in_use == 0

    run(test)


@pytest.mark.parametrize("is_slow", [None, True, False])
def test_canceled_work_ends_at_once(is_slow: bool | None) -> None:
    async def test() -> None:
        work, began, ended = image_work(), Event(), Event()

        def inspect(control: SandboxControl) -> InputImage:
            began.set()
            try:
                return ENDLESS.inspect(BOMB, control)
            finally:
                ended.set()

        task = asyncio.create_task(work.run("ann", inspect, is_slow=is_slow))
        await asyncio.to_thread(began.wait)
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert work.quick.in_use == work.slow.in_use == 0
        assert await asyncio.to_thread(ended.wait, PATIENCE)

    run(test)
