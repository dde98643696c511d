"""As much of a Dockerfile as ours use, carried out in a folder instead of an image."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Dockerfile:
    """What an image is made of."""

    environment: dict[str, str] = field(default_factory=dict)
    copies: list[list[str]] = field(default_factory=list)  # sources …, destination
    installs: list[str] = field(default_factory=list)  # shell lines with `pip install`
    user: str = "root"
    command: list[str] = field(default_factory=list)


def parse(path: Path) -> Dockerfile:
    """Read it; the steps that need root or a container (useradd) are left out."""
    found = Dockerfile()
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "ENV":
                found.environment |= dict(pair.split("=", 1) for pair in rest.split())
            case "COPY":
                found.copies.append(rest.split())
            case "RUN" if "pip install" in rest:
                found.installs.append(re.sub(r"--mount=\S+ ", "", rest))
            case "USER":
                found.user = rest
            case "CMD":
                found.command = json.loads(rest)
    return found


@dataclass(frozen=True)
class Image:
    """A folder with an image's files and a fresh environment with its packages."""

    file: Dockerfile
    app: Path
    venv: Path
    environment: dict[str, str]

    def python(self, code: str) -> "subprocess.CompletedProcess[str]":
        """Run a line of Python inside."""
        return subprocess.run(
            [str(self.venv / "bin" / "python"), "-c", code],
            cwd=self.app,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self, **settings: str) -> "subprocess.Popen[bytes]":
        """Run the image's command."""
        return subprocess.Popen(self.file.command, cwd=self.app, env=self.environment | settings)

    @property
    def packages_bytes(self) -> int:
        """The size of what pip installed."""
        files = self.venv.rglob("site-packages/**/*")
        return sum(one.stat().st_size for one in files if one.is_file())


def build(dockerfile: Path, folder: Path, *, hashed: bool = True) -> Image:
    """Carry out COPY and `RUN pip install` in `folder`, with an environment of their own.

    Without hashes it takes the same releases in whatever build this machine's index has: of torch
    one without the CUDA libraries' gigabytes.
    """
    found, root = parse(dockerfile), dockerfile.parent
    app, venv = folder / "app", folder / "venv"
    app.mkdir()
    for *sources, destination in found.copies:
        for source in sources:
            _copy(root / source, app / destination)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (folder / "data").mkdir()
    environment = {
        **_machine(),
        **found.environment,
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "BARET_DATA_DIR": str(folder / "data"),
    }
    if not hashed:
        pins = (app / "requirements.txt").read_text()
        bare = re.findall(r"^(?!nvidia-|cuda-|triton)[a-z0-9-]+==\S+", pins, re.MULTILINE)
        (app / "requirements.txt").write_text("\n".join(bare))
    for line in found.installs:
        command = line if hashed else line.replace("--require-hashes", "")
        subprocess.run(["/bin/sh", "-ec", command], cwd=app, env=environment, check=True)
    return Image(found, app, venv, environment)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target / source.name if target.is_dir() else target)


def _machine() -> dict[str, str]:
    """The environment without what would leak this checkout or its settings into the image."""
    ours = ("BARET_", "REDIS_", "PYTHON", "VIRTUAL_ENV", "COV")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}
