"""`baret up` and `baret worker`: processes of the service, which take over from the command."""

import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cli.errors import ModelUnusable

Model = Annotated[
    str | None,
    typer.Option(help="A bundled name, folder, file or Hub id (BARET_MODEL); default: zoo."),
]
Models = Annotated[
    str | None,
    typer.Option(help="Several, separated by commas, for one worker (BARET_MODELS)."),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 … (BARET_DEVICE).")]


def up(
    model: Model = None,
    models: Models = None,
    device: Device = None,
    port: Annotated[
        int | None, typer.Option(help="Port of the API (BARET_PORT); default: 8000.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of images and edits (BARET_DATA_DIR); default: data/."),
    ] = None,
    exit_after_sample: Annotated[
        bool, typer.Option("--exit-after-sample", help="Stop after the sample edit.")
    ] = False,
) -> None:
    """Run the whole service on this machine until Ctrl-C: Redis, worker, housekeeper and API.

    \b
    Examples:
      baret up
      baret up --model stable-diffusion-v1-5/stable-diffusion-v1-5 --port 8001
    """
    settings = {"MODEL": model, "MODELS": models, "DEVICE": device, "PORT": port, "DATA_DIR": data}
    arguments = ["--exit-after-sample"] if exit_after_sample else []
    _become("deploy.local", arguments, settings, needs="local,worker")


def worker(model: Model = None, models: Models = None, device: Device = None) -> None:
    """Run one worker until SIGTERM: it makes the edits that wait in the Redis at REDIS_URL.

    \b
    Examples:
      REDIS_URL=redis://redis:6379/0 baret worker --model /models/photo.safetensors
    """
    given = {"MODEL": model, "MODELS": models, "DEVICE": device}
    _become("worker", [], given, needs="worker")


def _become(
    module: str, arguments: list[str], settings: Mapping[str, object], *, needs: str
) -> NoReturn:
    """Replace this process by `python -m module`, so that signals and its status are its own.

    Args:
        module: to run.
        arguments: of it.
        settings: variables without their prefix; None leaves them as they are.
        needs: the extras of the package that it needs.
    """
    if not all(_is_installed(name) for name in (module, "torch")):
        raise ModelUnusable(f"This installation cannot do that: install baret[{needs}].")
    given = {f"BARET_{name}": str(value) for name, value in settings.items() if value is not None}
    sys.stdout.flush()
    command = [sys.executable, "-m", module, *arguments]
    os.execve(sys.executable, command, os.environ | given)  # noqa: S606 - not from input


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # its package is missing
        return False
