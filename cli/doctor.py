"""`baret doctor`: what is wrong, and what to do about it."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer
from pydantic import ValidationError

from cli.checks.findings import Finding
from cli.errors import ExitCode
from cli.terminal import print_json, print_result
from core.model_settings import each_model
from core.settings import Settings

_SIGNS = {"ok": "✓", "note": "!", "wrong": "✗"}


def doctor(
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="BARET_SERVER", help="Check this server instead of this machine."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per finding.")
    ] = False,
) -> None:
    """Check this machine, or a server, and say what is wrong and what to do about it.

    Looks at packages, memory, disk, GPU, Redis, clock and image storage with the settings of the
    environment. Exits with 1 if anything is wrong.

    \b
    Examples:
      baret doctor
      baret doctor --server https://photos.example
    """
    wrong = False
    for finding in _server(server) if server else _machine():
        wrong = wrong or finding.state == "wrong"
        if as_json:
            print_json(asdict(finding))
        else:
            print_result(f"{_SIGNS[finding.state]} {finding.name}: {finding.detail}")
            if finding.todo:
                print_result(f"    {finding.todo}")
    raise typer.Exit(ExitCode.FAILED if wrong else ExitCode.DONE)


def _server(address: str) -> Iterable[Finding]:
    # Only now: the other checks need no HTTP client.
    from cli.checks.server import check_server  # noqa: PLC0415

    return check_server(address)


def _models(settings: Settings) -> Finding:
    try:
        names = ", ".join(one.model_name for one in each_model(settings))
    except ValueError as error:
        return Finding("models", "wrong", str(error), "See docs/deploy.md.")
    return Finding("models", "ok", f"{names}; `baret model check` looks at their files")


def _machine() -> Iterable[Finding]:
    """Yield findings as they come, so that a slow check delays none before it."""
    from cli.checks.machine import check_machine  # noqa: PLC0415
    from cli.checks.service import check_service  # noqa: PLC0415

    try:
        settings = Settings()
    except ValidationError as error:
        for one in error.errors():
            name = f"BARET_{str(one['loc'][0]).upper()}"
            yield Finding("settings", "wrong", f"{name}: {one['msg']}", "See docs/deploy.md.")
        return
    yield _models(settings)
    yield from check_machine(settings.data_dir.absolute())
    yield from check_service(settings)
    try:
        # Only now: torch takes seconds to import.
        from cli.checks.device import check_device  # noqa: PLC0415
    except ModuleNotFoundError:
        return  # the packages say so
    yield from check_device(settings.device)
