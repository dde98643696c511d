"""Lookups run in threads: hanging ones are limited and do not block anything else."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from core.outbound.resolver import ThreadedResolver
from tests.security.hostile import NAME, Resolver
from tests.support.waiting import PATIENCE


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    """A system resolver that hangs until released."""
    held = threading.Event()
    system = Resolver([["192.0.2.1", "192.0.2.1", "2001:db8::1"]], held=held)
    monkeypatch.setattr(socket, "getaddrinfo", system)
    yield system
    held.set()


async def calls_of(resolver: Resolver, count: int) -> None:
    """Wait until so many lookups have begun, and none more."""
    async with asyncio.timeout(PATIENCE):
        while resolver.calls < count:
            await asyncio.sleep(0.01)
    assert resolver.calls == count


def test_a_name_has_each_address_once_in_order(hanging: Resolver) -> None:
    assert hanging.held is not None
    hanging.held.set()
    assert [str(one) for one in asyncio.run(ThreadedResolver(1).resolve(NAME))] == [
        "192.0.2.1",
        "2001:db8::1",
    ]


@pytest.mark.parametrize("literal", ["192.0.2.7", "::1", "fe80::1%eth0"])
def test_a_literal_is_not_looked_up(literal: str, hanging: Resolver) -> None:
    assert asyncio.run(ThreadedResolver(1).resolve(literal)) == [ip_address(literal)]
    assert hanging.calls == 0


@pytest.mark.parametrize(
    "name", ["a" * 64 + ".example", "a..example", "xn--a.invalid", ".", "x" * 300]
)
def test_what_cannot_be_a_name_has_no_address(name: str) -> None:
    with pytest.raises(OSError):
        asyncio.run(ThreadedResolver(1).resolve(name))


def test_a_lookup_that_was_given_up_keeps_its_place_until_it_ends(hanging: Resolver) -> None:
    async def scene() -> None:
        resolver = ThreadedResolver(3)
        for _ in range(10):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(resolver.resolve(NAME), 0.02)
        await calls_of(hanging, 3)
        assert hanging.held is not None
        hanging.held.set()
        assert len(await asyncio.wait_for(resolver.resolve(NAME), PATIENCE)) == 2

    asyncio.run(scene())


def test_hanging_lookups_leave_the_loops_own_threads_free(hanging: Resolver) -> None:
    async def scene() -> None:
        resolver = ThreadedResolver(100)
        tasks = [asyncio.create_task(resolver.resolve(NAME)) for _ in range(100)]
        await calls_of(hanging, 100)
        await asyncio.wait_for(asyncio.to_thread(time.sleep, 0), PATIENCE)
        for task in tasks:
            task.cancel()

    started = time.monotonic()
    asyncio.run(scene())  # the end of the loop does not wait for them
    assert time.monotonic() - started < 100
