"""The forms of REDIS_URL: one server, or the Sentinels that know which server is the master.

`redis://`, `rediss://` (TLS) and `unix://` are redis-py's own. With Sentinels, TLS or not:

    redis+sentinel://user:password@host:26379,host:26379/master/0
    rediss+sentinel://…

User and password are the server's. The query may give the Sentinels' (`sentinel_username`,
`sentinel_password`), and redis-py's options of TLS, which hold for Sentinels and servers.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

SENTINEL_PORT = 26379

_SERVER = ("redis", "rediss", "unix")
_SENTINEL = ("redis+sentinel", "rediss+sentinel")
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS = (*_FILES, "ssl_cert_reqs", "ssl_check_hostname")


@dataclass(frozen=True)
class Login:
    """A user of a Redis server or of a Sentinel; empty: the default user, no password."""

    username: str | None
    password: str | None


@dataclass(frozen=True)
class SentinelAddress:
    """Sentinels, and what they call the server."""

    sentinels: tuple[tuple[str, int], ...]  # host and port of each
    master: str
    db: int
    server_login: Login
    sentinel_login: Login


def check_redis_url(url: str) -> None:
    """Check the form of a URL, and that the files it names exist.

    Raises:
        ValueError: it is wrong. The message quotes nothing of it but a file's path.
    """
    try:
        parts = urlsplit(url)
        known = parts.scheme in _SERVER + _SENTINEL
        complete = known and (parts.scheme in _SENTINEL or parts.port != 0)
    except ValueError:  # its message quotes the URL, password included
        complete = False
    if not complete:
        raise ValueError(
            "Give redis://, rediss://, unix:// or redis+sentinel://; percent-encode `/`, `?`, `#` "
            "and `@` in the password."
        )
    for name, path in tls_options(url).items():
        if name in _FILES and not Path(str(path)).is_file():
            raise ValueError(f"{name} names a file that does not exist: {path}")
    sentinel_address(url)


def uses_tls(url: str) -> bool:
    """Return whether connections are encrypted."""
    return url.startswith("rediss")


def tls_options(url: str) -> dict[str, str | bool]:
    """Return the options of TLS that a URL gives, as redis-py names them."""
    given: dict[str, str | bool] = {}
    for name, text in parse_qsl(urlsplit(url).query):
        if name in _TLS:
            given[name] = text
    if (checks := given.get("ssl_check_hostname")) is not None:
        given["ssl_check_hostname"] = str(checks).lower() not in ("false", "no", "0")
    return given


def sentinel_address(url: str) -> SentinelAddress | None:
    """Return where the Sentinels are; None if the URL names a server.

    Raises:
        ValueError: it names Sentinels, but no host or no master. The message does not quote it.
    """
    parts = urlsplit(url)
    if parts.scheme not in _SENTINEL:
        return None
    master, _, db = parts.path.strip("/").partition("/")
    query = dict(parse_qsl(parts.query))
    try:
        hosts = tuple(_host(one) for one in parts.netloc.rpartition("@")[2].split(","))
        if not master:
            raise ValueError
        return SentinelAddress(
            sentinels=hosts,
            master=unquote(master),
            db=int(db or 0),
            server_login=Login(_text(parts.username), _text(parts.password)),
            sentinel_login=Login(query.get("sentinel_username"), query.get("sentinel_password")),
        )
    except ValueError:
        raise ValueError(
            "Give redis+sentinel://user:password@host:port,host:port/master/database, where master "
            "is the name that the Sentinels monitor."
        ) from None


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError
    return parts.hostname, parts.port or SENTINEL_PORT


def _text(quoted: str | None) -> str | None:
    return unquote(quoted) if quoted else None
