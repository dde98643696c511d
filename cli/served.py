"""`baret models`: what a server serves."""

from typing import Annotated

import typer

from cli.terminal import print_json, print_table, say

_HEAD = ("id", "state", "size", "licence", "presets")


def list_models(
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="BARET_SERVER", help="Default: this machine, port 8000."
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object per model.")
    ] = False,
) -> None:
    """List a server's models and whether each is ready; * marks the default.

    \b
    Examples:
      baret models
      baret models --server https://photos.example --json
    """
    # Only now: most commands need no HTTP client.
    from cli.edit.over_http import connect, service_errors  # noqa: PLC0415

    with connect(server) as client, service_errors():
        models = client.models.list()
        address = client.server
    if as_json:
        for model in models:
            print_json(model.json)
    elif models:
        rows = [
            (
                f"{model.id}{' *' if model.default else ''}",
                model.state,
                "×".join(map(str, model.native_size)),
                model.licence,
                ", ".join(model.presets),
            )
            for model in models
        ]
        print_table(_HEAD, rows)
    else:
        say(f"{address} has never had a worker. Start one: `baret worker`.")
