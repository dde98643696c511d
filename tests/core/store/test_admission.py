"""What a process says when Redis does not let it in."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.store.admission import check_admission
from core.store.connection import connect
from deploy.local.ports import free_port
from tests.support.certificates import make_server_certificate
from tests.support.receiver import Receiver
from tests.support.redis_servers import (
    PASSWORD,
    Group,
    RedisServer,
    running_group,
    running_redis,
    tls_in_front,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    user = "user photos on >of-photos ~* +@all -ping"
    with running_redis(tmp_path_factory.mktemp("redis") / "server", user) as server:
        yield server


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    with running_group(tmp_path_factory.mktemp("group")) as group:
        yield group


def test_a_server_that_does_not_answer_may_start_later() -> None:
    check_admission(f"redis://127.0.0.1:{free_port()}/0")
    check_admission(f"redis+sentinel://127.0.0.1:{free_port()}/photos")


def test_a_right_password_is_let_in(server: RedisServer) -> None:
    check_admission(server.url)


@pytest.mark.parametrize("login", ["", ":guess@", "nobody:guess@"])
def test_a_user_or_password_that_is_refused(server: RedisServer, login: str) -> None:
    with pytest.raises(RuntimeError, match="refuses the user and password in REDIS_URL") as refusal:
        check_admission(f"redis://{login}127.0.0.1:{server.port}/0")
    assert "guess" not in str(refusal.value)


def test_a_user_who_may_not_do_the_work(server: RedisServer) -> None:
    with pytest.raises(RuntimeError, match=r"not do its work.*'ping'"):
        check_admission(f"redis://photos:of-photos@127.0.0.1:{server.port}/0")


def test_a_certificate_must_be_of_the_named_authority(server: RedisServer, tmp_path: Path) -> None:
    certificate, key, authority = make_server_certificate(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with tls_in_front(server.port, certificate, key) as port:
        url = f"rediss://:{PASSWORD}@127.0.0.1:{port}/0"
        check_admission(f"{url}?ssl_ca_certs={authority}")
        wrong = make_server_certificate(other)[-1]
        for asked in (url, f"{url}?ssl_ca_certs={wrong}"):
            with pytest.raises(RuntimeError, match=r"certificate that is not trusted.*ssl_ca_cert"):
                check_admission(asked)


def test_a_port_that_speaks_no_tls(receiver: Receiver) -> None:
    with pytest.raises(RuntimeError, match="does not speak TLS"):
        check_admission(receiver.url.replace("http:", "rediss:"))


def test_a_server_that_speaks_nothing_but_tls(server: RedisServer, tmp_path: Path) -> None:
    certificate, key, _ = make_server_certificate(tmp_path)
    with tls_in_front(server.port, certificate, key) as port:
        for form, who in (("redis://:guess@{}/0", "Redis"), ("redis+sentinel://{}/name", "A Sent")):
            with pytest.raises(RuntimeError, match=f"{who}.* speaks TLS.*rediss://") as refusal:
                check_admission(form.format(f"127.0.0.1:{port}"))
            assert "guess" not in str(refusal.value)


def test_a_server_that_closes_connections_without_tls_may_recover() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:

        def close_each() -> None:
            with suppress(OSError):
                while True:
                    closing.accept()[0].close()

        thread = threading.Thread(target=close_each)
        thread.start()
        check_admission(f"redis://127.0.0.1:{closing.getsockname()[1]}/0")
        closing.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_a_group_of_sentinels_lets_in_by_name_and_password(group: Group) -> None:
    check_admission(group.url)
    with connect(group.url) as client:
        assert client.ping()
    with pytest.raises(RuntimeError, match="monitor no master named movies"):
        check_admission(group.url.replace("/photos/", "/movies/"))
    with pytest.raises(RuntimeError, match="Sentinel refuses sentinel_username and sentinel_pass"):
        check_admission(group.url.partition("?")[0])
    with pytest.raises(RuntimeError, match="Redis refuses the user and password"):
        check_admission(group.url.replace(PASSWORD, "guess"))
