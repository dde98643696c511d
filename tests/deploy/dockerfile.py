"""Runs the subset of Dockerfile steps that ours use, in a folder instead of an image."""

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
    """The steps of a Dockerfile."""

    environment: dict[str, str] = field(default_factory=dict)
    copies: list[list[str]] = field(default_factory=list)  # sources …, destination
    installs: list[str] = field(default_factory=list)  # shell lines with `pip install`
    user: str = "root"
    command: list[str] = field(default_factory=list)


def parse(path: Path) -> Dockerfile:
    """Parse a Dockerfile, without the steps that need root or a container (useradd)."""
    parsed = Dockerfile()
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        match word:
            case "ENV":
                parsed.environment |= dict(pair.split("=", 1) for pair in rest.split())
            case "COPY":
                parsed.copies.append(rest.split())
            case "RUN" if "pip install" in rest:
                parsed.installs.append(re.sub(r"--mount=\S+ ", "", rest))
            case "USER":
                parsed.user = rest
            case "CMD":
                parsed.command = json.loads(rest)
    return parsed


@dataclass(frozen=True)
class Image:
    """A folder with an image's files and a new environment with its packages."""

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
        """Return the size of the installed packages."""
        files = self.venv.rglob("site-packages/**/*")
        return sum(one.stat().st_size for one in files if one.is_file())


def build(dockerfile: Path, folder: Path, *, hashed: bool = True) -> Image:
    """Run COPY and `RUN pip install` in `folder`, with a new virtual environment.

    Without hashes, pip takes the same releases in any build that this machine's index has, such as
    torch without the gigabytes of CUDA libraries.
    """
    parsed = parse(dockerfile)
    app, venv = folder / "app", folder / "venv"
    app.mkdir()
    copy_files(dockerfile, app)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    (folder / "data").mkdir()
    environment = {
        **_machine(),
        **parsed.environment,
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin",
        "BARET_DATA_DIR": str(folder / "data"),
    }
    if not hashed:
        pins = (app / "requirements.txt").read_text()
        bare = re.findall(r"^(?!nvidia-|cuda-|triton)[a-z0-9-]+==\S+", pins, re.MULTILINE)
        (app / "requirements.txt").write_text("\n".join(bare))
    for line in parsed.installs:
        command = line if hashed else line.replace("--require-hashes", "")
        subprocess.run(["/bin/sh", "-ec", command], cwd=app, env=environment, check=True)
    return Image(parsed, app, venv, environment)


def copy_files(dockerfile: Path, app: Path) -> None:
    """Run COPY, to a folder that exists."""
    for *sources, destination in parse(dockerfile).copies:
        for source in sources:
            _copy(dockerfile.parent / source, app / destination)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, target / source.name if target.is_dir() else target)


def _machine() -> dict[str, str]:
    """Return the environment without variables that would leak this checkout or its settings."""
    ours = ("BARET_", "REDIS_", "PYTHON", "VIRTUAL_ENV", "COV")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}
