"""Azurite, Microsoft's own stand-in for Azure Blob Storage, from npm, in a folder in build/.

If the folder is there already, no network is needed.
"""

import base64
import hashlib
import hmac
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import free_port
from tests.support.commands import ROOT
from tests.support.node_tools import run
from tests.support.server import Server

VERSION = "3.37.0"
FOLDER = ROOT / "build" / f"azurite-{VERSION}"
CONTAINER = "pictures"
# Published: Azurite's own account.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def program() -> Path:
    """Return the server's program; skip the test if it cannot be installed."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    if not FOLDER.is_dir():
        _install()
    return FOLDER / "node_modules" / ".bin" / "azurite-blob"


def _install() -> None:
    """Install the server, completely or not at all."""
    partial = FOLDER.with_name(f"{FOLDER.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    (partial / "package.json").write_text('{"private": true}')
    quiet = ("--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1")
    done = run("npm", "install", *quiet, f"azurite@{VERSION}", folder=partial, seconds=900)
    if done.returncode:
        shutil.rmtree(partial)
        pytest.skip(f"Azurite cannot be installed: {done.stderr[-300:]}")
    partial.rename(FOLDER)


class Azurite(Server):
    """A server that keeps its one container in memory."""

    def __init__(self) -> None:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}/{ACCOUNT}"
        self.settings = {
            "BARET_STORE_URL": f"az://{CONTAINER}/baret",
            "AZURE_STORAGE_ENDPOINT": self._url,
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": KEY,
        }
        options = ["--silent", "--inMemoryPersistence", "--blobPort", str(port)]
        super().__init__([program(), *options, "--skipApiVersionCheck"], self._has_container)

    def _has_container(self) -> bool:
        """Create the container, as its owner does once."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        lines = [f"{name}:{text}" for name, text in headers.items()]
        resource = f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}"
        text = "\n".join(["PUT", *[""] * 11, *lines, resource, "restype:container"])
        signature = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}"
        try:
            url = f"{self._url}/{CONTAINER}?restype=container"
            return httpx.put(url, headers=headers, trust_env=False).status_code in (201, 409)
        except httpx.TransportError:
            return False


@contextmanager
def running_azurite() -> Iterator[Azurite]:
    """Run a server inside the block."""
    server = Azurite()
    server.start()
    try:
        yield server
    finally:
        server.kill()
