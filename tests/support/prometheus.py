"""Prometheus from Debian's package, which needs no installation: it is unpacked into build/.

If the programs are there already, or on the machine, no network is needed.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.local.ports import free_port
from tests.support.commands import ROOT
from tests.support.server import Server

UNPACKED = ROOT / "build" / "prometheus"


def program(name: str) -> Path:
    """Return `prometheus` or `promtool`; skip the test if the package cannot be had."""
    if path := shutil.which(name):
        return Path(path)
    if not UNPACKED.is_dir():
        _unpack()
    return UNPACKED / "usr" / "bin" / name


def _unpack() -> None:
    """Fetch and unpack the package, completely or not at all."""
    apt, dpkg = shutil.which("apt-get"), shutil.which("dpkg")
    if not (apt and dpkg):
        pytest.skip("prometheus is not installed, and there is no apt-get to fetch it with")
    UNPACKED.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=UNPACKED.parent) as folder:
        done = subprocess.run(
            [apt, "download", "prometheus"], cwd=folder, capture_output=True, check=False
        )
        packages = list(Path(folder).glob("*.deb"))
        if done.returncode or not packages:
            pytest.skip("prometheus is not installed, and its Debian package cannot be fetched")
        partial = Path(folder, "partial")
        subprocess.run([dpkg, "-x", packages[0], partial], check=True)
        if not UNPACKED.exists():
            partial.rename(UNPACKED)


class Prometheus(Server):
    """A server that runs until it is killed, with its data in a folder."""

    def __init__(self, config: Path, data: Path):
        self._url = f"http://127.0.0.1:{(port := free_port())}"
        options = [f"--config.file={config}", f"--storage.tsdb.path={data}"]
        listen = f"--web.listen-address=127.0.0.1:{port}"
        quiet = "--log.level=error"
        super().__init__([program("prometheus"), *options, listen, quiet], self._ready)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self._url}/-/ready", trust_env=False).is_success
        except httpx.TransportError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Evaluate an expression now; fail with Prometheus's message if it is wrong."""
        answer = self._get("query", query=expression)
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule with its health."""
        return [rule for group in self._get("rules")["data"]["groups"] for rule in group["rules"]]

    def _get(self, path: str, **params: str) -> Any:
        return httpx.get(f"{self._url}/api/v1/{path}", params=params, trust_env=False).json()
