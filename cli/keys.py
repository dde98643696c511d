"""`baret keys`: for the operator. It speaks to Redis as the API's settings name it, not to HTTP.

Whoever reaches that Redis can do all of this anyway; over HTTP it would need a key above the keys.
"""

from datetime import datetime
from typing import Annotated

import typer

from core.access.api_keys import PREFIX, ApiKey, Keyring, NewApiKey, id_of
from core.settings import Settings
from core.store.connection import connect

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)

_COLUMNS = ("id", "name", "state", "created", "last used", "requests/min", "in flight", "edits of")

Limit = Annotated[int | None, typer.Option(min=1, help="instead of the service's setting")]


def _keyring() -> Keyring:
    return Keyring(connect(Settings().broker_url))


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="for people: who or what will use it")],
    replaces: Annotated[
        str | None, typer.Option(metavar="ID", help="a key whose edits the new one sees too")
    ] = None,
    requests_per_minute: Limit = None,
    edits_in_flight: Limit = None,
) -> None:
    """Make a key and print it, alone, on standard output. It cannot be shown again."""
    wish = NewApiKey(name, replaces, requests_per_minute, edits_in_flight)
    text, key = _keyring().create(wish)
    typer.echo(text)
    typer.echo(f"{key.id} ({key.name}). Keep the key: it is not shown again.", err=True)
    if replaces:
        typer.echo(f"{replaces} stays valid until it is revoked.", err=True)


@app.command("list")
def show(
    json: Annotated[bool, typer.Option("--json", help="one JSON object a line")] = False,
) -> None:
    """List the keys, revoked ones too, the oldest first."""
    keys = _keyring().all()
    if json:
        for key in keys:
            typer.echo(key.model_dump_json())
        return
    rows = [_COLUMNS, *(_row(key) for key in keys)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="its id, or a leaked key itself")],
) -> None:
    """Make a key invalid at once, for good."""
    revoked = _keyring().revoke(id_of(key) if key.startswith(PREFIX) else key)
    typer.echo(f"{revoked.id} ({revoked.name}) is revoked.")


def _row(key: ApiKey) -> tuple[str, ...]:
    return (
        key.id,
        key.name,
        "revoked" if key.revoked_at else "valid",
        _minute(key.created_at),
        _minute(key.last_used_at),
        str(key.requests_per_minute or "-"),
        str(key.edits_in_flight or "-"),
        "its own" if key.caller == key.id else key.caller,
    )


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%MZ}" if moment else "never"
