"""Prometheus: the machine's, or from Debian's package."""

import shutil
from pathlib import Path
from typing import Any

import httpx

from deploy.local.ports import free_port
from tests.support.debian_packages import unpacked
from tests.support.server import LOOPBACK, Host, Server


def program(name: str) -> Path:
    """Return `prometheus` or `promtool`; skip the test if the package cannot be had."""
    if path := shutil.which(name):
        return Path(path)
    return unpacked("prometheus", "prometheus") / "usr" / "bin" / name


class Prometheus(Server):
    """A server that runs until it is killed, with its data in a folder."""

    def __init__(self, config: Path, data: Path, *, host: Host = LOOPBACK):
        address = f"{host.address}:{free_port()}"
        self._url = f"http://{address}"
        options = [f"--config.file={config}", f"--storage.tsdb.path={data}"]
        listen = f"--web.listen-address={address}"
        quiet = "--log.level=error"
        command: list[str | Path] = [program("prometheus"), *options, listen, quiet]
        super().__init__(command, self._ready, host=host)

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
