"""`baret keys`: create, list and revoke API keys.

For the operator. The commands use the Redis in the settings, not the HTTP API: anyone who can reach
that Redis can do all of this anyway, while the API would need a key above all keys.
"""

from datetime import datetime
from typing import Annotated

import typer

from core.access.api_keys import PREFIX, ApiKey, Keyring, NewApiKey, id_of
from core.settings import Settings
from core.store.connection import connect

app = typer.Typer(help="Create, list and revoke API keys.", no_args_is_help=True)

_COLUMNS = (
    "id",
    "name",
    "state",
    "created",
    "last used",
    "requests/min",
    "in flight",
    "metrics",
    "edits of",
)


def _keyring() -> Keyring:
    return Keyring(connect(Settings().broker_url))


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what will use the key.")],
    replaces: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Give access to the edits of this key, too."),
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="Override BARET_REQUESTS_PER_MINUTE.")
    ] = None,
    edits_in_flight: Annotated[
        int | None, typer.Option(min=1, help="Override BARET_EDITS_PER_KEY.")
    ] = None,
    metrics: Annotated[
        bool, typer.Option("--metrics", help="Let the key read /metrics, for Prometheus.")
    ] = False,
) -> None:
    """Create a key and print it. It cannot be shown again."""
    new_key = NewApiKey(name, replaces, requests_per_minute, edits_in_flight, metrics)
    text, key = _keyring().create(new_key)
    # The key goes to stdout alone, so that it can be piped.
    typer.echo(text)
    typer.echo(f"Created {key.id} ({key.name}). Save the key: it cannot be shown again.", err=True)
    if replaces:
        typer.echo(f"{replaces} stays valid until you revoke it.", err=True)


@app.command("list")
def list_keys(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """List all keys, including revoked ones, oldest first."""
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
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id, or the key itself.")],
) -> None:
    """Revoke a key at once. This cannot be undone."""
    revoked = _keyring().revoke(id_of(key) if key.startswith(PREFIX) else key)
    typer.echo(f"Revoked {revoked.id} ({revoked.name}).")


def _row(key: ApiKey) -> tuple[str, ...]:
    return (
        key.id,
        key.name,
        "revoked" if key.revoked_at else "valid",
        _minute(key.created_at),
        _minute(key.last_used_at),
        str(key.requests_per_minute or "-"),
        str(key.edits_in_flight or "-"),
        "yes" if key.metrics else "-",
        "its own" if key.caller == key.id else key.caller,
    )


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%MZ}" if moment else "never"
