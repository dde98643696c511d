"""LiteLLM's proxy, in an environment of its own in build/.

If the environment is there already, no network is needed.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from deploy.local.ports import free_port
from tests.support.commands import ROOT
from tests.support.server import Server

VERSION = "1.108.7"
FOLDER = ROOT / "build" / f"litellm-{VERSION}"


def program() -> Path:
    """Return the proxy's program; skip the test if it cannot be installed."""
    if not FOLDER.is_dir():
        _install()
    return FOLDER / "bin" / "litellm"


def _install() -> None:
    """Install the proxy, completely or not at all."""
    FOLDER.parent.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True)
    install = ("-m", "pip", "install", "--quiet", f"litellm[proxy]=={VERSION}")
    done = subprocess.run(
        [FOLDER / "bin" / "python", *install], capture_output=True, text=True, check=False
    )
    if done.returncode:
        shutil.rmtree(FOLDER)
        pytest.skip(f"LiteLLM's proxy cannot be installed: {done.stderr[-300:]}")


class LiteLLM(Server):
    """A proxy with a file of models, which asks its own clients for a key."""

    key = "sk-of-the-proxy"

    def __init__(self, config: Path):
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        options = ["--config", config, "--host", "127.0.0.1", "--port", str(port)]
        # Its own list of prices: it would fetch the newest.
        env = {"LITELLM_MASTER_KEY": self.key, "LITELLM_LOCAL_MODEL_COST_MAP": "true"}
        super().__init__([program(), *options], self._ready, env=os.environ | env)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/readiness", trust_env=False).is_success
        except httpx.TransportError:
            return False
