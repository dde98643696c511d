"""Stacks to test, each with its own data folder and port."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local import ports
from tests.support.commands import RunningStack


@pytest.fixture
def free_port() -> int:
    return ports.free_port()


@pytest.fixture
def start(tmp_path: Path, free_port: int) -> Iterator[Callable[..., RunningStack]]:
    """Start stacks on the test's data folder, whose name has a space; end what is left."""
    started: list[RunningStack] = []

    def start_stack(*chosen: str) -> RunningStack:
        started.append(RunningStack(tmp_path / "my data", free_port, *chosen))
        return started[-1]

    yield start_stack
    for stack in started:
        if stack.process.poll() is None:
            stack.note_family()
            stack.process.terminate()
            stack.ends()
        for left in stack.living():
            left.kill()
