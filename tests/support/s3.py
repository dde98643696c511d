"""A local S3 server that a test can break: rclone, with a folder as its disk."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from deploy.local.ports import free_port
from tests.support.server import LOOPBACK, Host, Server

BUCKET = "pictures"
_KEY, _SECRET = "someone", "a-secret-of-tests"


class S3(Server):
    """An S3 server whose bucket is a folder, so that its data survives a restart."""

    def __init__(self, disk: Path, *, host: Host = LOOPBACK):
        self.folder = disk / BUCKET
        self.folder.mkdir(parents=True)
        self._at = (host.address, free_port())
        rclone = Path(sys.executable).with_name("rclone")
        serve = ["serve", "s3", "--addr", self._authority, "--auth-key"]
        command: list[str | Path] = [rclone, *serve, f"{_KEY},{_SECRET}", "--quiet", disk]
        env = {**os.environ, "RCLONE_CONFIG": os.devnull}
        super().__init__(command, self._listens, env=env, host=host)

    @property
    def _authority(self) -> str:
        return "{}:{}".format(*self._at)

    @property
    def settings(self) -> dict[str, str]:
        """Return the environment variables that point its clients to it."""
        return {
            "BARET_STORE_URL": f"s3://{BUCKET}/baret",
            "AWS_ENDPOINT_URL": f"http://{self._authority}",
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": "us-east-1",
        }

    def _listens(self) -> bool:
        with closing(socket.socket()) as client:
            return client.connect_ex(self._at) == 0


@contextmanager
def running_s3(disk: Path) -> Iterator[S3]:
    """Run a server inside the block."""
    server = S3(disk)
    server.start()
    try:
        yield server
    finally:
        server.kill()
