"""The stack from the outside: what it starts, prints, survives and leaves behind."""

import os
import re
import signal
import socket
import stat
import sys
from collections.abc import Callable

import httpx
import pytest
import redis

from core.settings import REDIS_URL_FILE
from tests.support.commands import RunningStack, until

Start = Callable[..., RunningStack]


def valkey_of(stack: RunningStack) -> "redis.Redis":
    return redis.Redis.from_url((stack.data / REDIS_URL_FILE).read_text(), decode_responses=True)


def test_serves_with_a_sample_edit_and_leaves_nothing_at_the_end(start: Start) -> None:
    stack = start().ready()

    assert (stack.data / "sample" / "before.png").read_bytes().startswith(b"\x89PNG")
    assert (stack.data / "sample" / "after.png").read_bytes() == b"the picture after"
    for text in ("Done in", "after.png", "A word is unknown.", f":{stack.port}", str(stack.data)):
        assert text in stack.output
    assert len(stack.family) == 3  # Valkey, sleeper, API

    stack.process.terminate()

    assert stack.ends() == 0
    assert stack.living() == []
    assert not (stack.data / REDIS_URL_FILE).exists()
    assert re.findall(r"(\w+) stopped", stack.output) == ["api", "sleeper", "valkey"]


def test_valkey_is_private_and_keeps_what_it_acknowledged(start: Start) -> None:
    stack = start().ready()

    for secret in (stack.data / REDIS_URL_FILE, stack.data / "valkey" / "valkey.conf"):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    with valkey_of(stack) as client:
        settings = client.config_get("*")
    assert settings["appendonly"] == "yes"
    assert settings["appendfsync"] == "everysec"
    assert settings["maxmemory-policy"] == "noeviction"
    assert int(settings["maxmemory"]) == 1024**3
    assert settings["slowlog-log-slower-than"] == "-1"  # it would keep what was deleted
    assert settings["bind"] == "127.0.0.1"
    assert len(settings["requirepass"]) >= 32
    assert settings["dir"] == str(stack.data / "valkey")


def test_a_child_that_dies_is_started_again(start: Start) -> None:
    stack = start().ready()
    first = stack.child("time.sleep")

    first.kill()

    stack.says("sleeper exited, restarting it")
    assert "signal 9 (Killed)" in stack.output
    assert stack.child("time.sleep").pid != first.pid


def test_data_survive_valkeys_death_and_the_stacks_end(start: Start) -> None:
    stack = start().ready()
    with valkey_of(stack) as client:
        client.set("kept", "yes")
        stack.child("valkey-server").terminate()
        stack.says("valkey exited, restarting it")
        stack.child("valkey-server")
    stack.process.send_signal(signal.SIGINT)
    assert stack.ends() == 0

    again = start().ready()

    with valkey_of(again) as client:
        assert client.get("kept") == "yes"


def test_a_second_stack_on_the_same_data_is_refused(start: Start) -> None:
    first = start().ready()

    second = start()

    assert second.ends() == 1
    assert f"process {first.process.pid}" in second.output
    assert "BARET_DATA_DIR" in second.output
    assert httpx.get(f"http://127.0.0.1:{first.port}/readyz", trust_env=False).is_success


def test_a_busy_port_is_told_before_anything_starts(start: Start, free_port: int) -> None:
    with socket.create_server(("127.0.0.1", free_port)):
        stack = start()

        assert stack.ends() == 1

    assert "BARET_PORT" in stack.output
    assert "started" not in stack.output


def test_a_child_that_never_comes_up_ends_the_stack_with_its_hint(start: Start) -> None:
    stack = start("sleeper=raise SystemExit(3)", "edit=not ready")

    stack.says("No worker has its model loaded yet.")
    assert stack.ends() == 1
    assert "exit code 3" in stack.output
    assert "sleeper keeps exiting" in stack.output
    assert "A hint." in stack.output


def test_exit_after_sample_tells_a_failed_edit_by_its_exit_code(start: Start) -> None:
    stack = start("exit=yes", "edit=failed")

    assert stack.ends() == 1
    assert "The sample edit failed" in stack.output
    assert "timeout" in stack.output


def test_exit_after_sample_ends_well(start: Start) -> None:
    stack = start("exit=yes")

    assert stack.ends() == 0
    assert "Done in" in stack.output


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals a child of a dead parent")
def test_children_end_with_a_stack_that_is_killed(start: Start) -> None:
    stack = start().ready()

    os.kill(stack.process.pid, signal.SIGKILL)

    until(lambda: not stack.living(), "the children's end")
