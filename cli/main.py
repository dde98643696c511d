"""`baret`: the console script (`python -m cli`)."""

import sys

import typer
from pydantic import ValidationError

from cli import keys, models
from core.errors import CoreError

app = typer.Typer(
    help="Operate a BARET service.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="model")


@app.callback()
def _root() -> None:
    """Keep the group's name: Typer drops it if there is only one group."""


def main() -> None:
    """Run the command. Print expected errors in one sentence and exit with status 1."""
    try:
        app(prog_name="baret")
    except ValidationError as error:
        sys.exit(f"baret: a setting is not valid: {error}")
    except (CoreError, RuntimeError) as error:
        sys.exit(f"baret: {error}")
