"""Whether Redis lets a process in, checked when it starts.

A Redis that does not answer may start later. One that refuses the user, speaks TLS alone, or whose
certificate is not trusted, will not change by itself: the process ends, and says what to correct.
"""

import socket
import ssl
from collections.abc import Iterator
from typing import Any

import redis
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.sentinel import Sentinel

from core.redis_address import SentinelAddress, sentinel_address, uses_tls
from core.store.connection import TIMEOUT_SECONDS, connect, sentinel_options


def check_admission(url: str) -> None:
    """Check that Redis lets this process in, if it answers.

    Raises:
        RuntimeError: it does not; the message says what to correct, and quotes no password.
    """
    if at := sentinel_address(url):
        _check_sentinels(at, url)
    with connect(url) as client:
        try:
            client.ping()
        except redis.RedisError as error:
            _explain(error, "Redis", "the user and password")
            _check_plain(client, "Redis", url)


def _check_sentinels(at: SentinelAddress, url: str) -> None:
    """Ask the Sentinels, until one answers, whether they know the master's name."""
    options = sentinel_options(at, url)
    with Sentinel(  # type: ignore[no-untyped-call]
        at.sentinels, sentinel_kwargs=options
    ) as sentinel:
        for client in sentinel.sentinels:
            try:
                found = client.sentinel_get_master_addr_by_name(at.master)
            except redis.RedisError as error:
                _explain(error, "A Sentinel", "sentinel_username and sentinel_password")
                _check_plain(client, "A Sentinel", url)
                continue
            if found is None:
                raise RuntimeError(
                    f"The Sentinels monitor no master named {at.master}. Correct the name in "
                    "REDIS_URL: redis+sentinel://host:port/name."
                )
            return


def _explain(error: redis.RedisError, who: str, login: str) -> None:
    """Raise what to correct, unless the server merely does not answer.

    Args:
        error: of the first command.
        who: refused, as a message's first words.
        login: what the URL names the user by.
    """
    if isinstance(error, AuthenticationError):
        raise RuntimeError(f"{who} refuses {login} in REDIS_URL.") from error
    if isinstance(error, NoPermissionError):
        raise RuntimeError(f"{who} lets its user in, but not do its work: {error}.") from error
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise RuntimeError(
                f"{who} shows a certificate that is not trusted ({cause.verify_message}). Name its "
                "authority's file in REDIS_URL: rediss://…?ssl_ca_certs=/path/ca.pem."
            ) from error
        if isinstance(cause, ssl.SSLError):
            raise RuntimeError(
                f"{who} does not speak TLS as REDIS_URL says ({cause.reason}). Correct the port, "
                "or rediss:// to redis://."
            ) from error


def _check_plain(client: "redis.Redis", who: str, url: str) -> None:
    """Raise what to correct if a server that did not answer plain text speaks TLS."""
    at: dict[str, Any] = client.connection_pool.connection_kwargs
    if uses_tls(url) or "host" not in at:  # a Unix socket; or a master, as its Sentinels say
        return
    if _speaks_tls(at["host"], at.get("port", 6379)):
        raise RuntimeError(
            f"{who} speaks TLS, and REDIS_URL asks for plain text. Correct the port, or redis to "
            "rediss: rediss://host:port/0."
        )


def _speaks_tls(host: str, port: int) -> bool:
    """Return whether a server answers TLS: with a handshake, or by refusing this client's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent
    try:
        with (
            socket.create_connection((host, port), TIMEOUT_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
