"""Limits on open files and connections."""

import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from api.server.limits import max_connections, open_files, raise_open_files_limit


@pytest.fixture
def few_files() -> Iterator[int]:
    """Let this process open few files only, and yield the system's own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def soft_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_there_are_files_enough_for_every_follower_and_its_connection_to_redis(
    few_files: int,
) -> None:
    assert open_files(2000) > 2 * 2000
    raise_open_files_limit(1000)
    assert soft_limit() == 1000


def test_the_bound_is_raised_no_further_than_the_system_lets_it(few_files: int) -> None:
    if few_files == resource.RLIM_INFINITY:
        pytest.skip("this system has no limit")
    raise_open_files_limit(few_files + 1)
    assert soft_limit() == few_files


def test_a_higher_bound_is_left_alone(few_files: int) -> None:
    raise_open_files_limit(100)
    assert soft_limit() == 512


def test_connections_leave_files_for_everything_else(few_files: int) -> None:
    assert max_connections() == 256


# Frees 15 MB that lie below other memory of the heap: only blocks with a mapping of their own go.
KEPT = """
import psutil
from api.server.limits import give_large_blocks_back

def resident():
    return psutil.Process().memory_info().rss // 1_000_000

{prepare}
first = b"x" * 20_000_000
del first
before = resident()
second = b"y" * 15_000_000
above = [bytes(60_000) for _ in range(20)]
del second
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
@pytest.mark.parametrize(
    ("prepare", "kept"), [("", range(14, 20)), ("give_large_blocks_back()", range(-2, 4))]
)
def test_a_large_block_goes_back_to_the_system_once_it_is_free(prepare: str, kept: range) -> None:
    program = [sys.executable, "-c", KEPT.format(prepare=prepare)]
    assert int(subprocess.check_output(program)) in kept
