"""`baret`: the console script (`python -m cli`)."""

import sys

import typer
from pydantic import ValidationError

from cli import keys
from core.errors import CoreError

app = typer.Typer(
    help="BARET's command line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(keys.app, name="keys")


@app.callback()
def _groups() -> None:
    """Typer would drop the group's name where it is the only one."""


def main() -> None:
    """Run the command; what can be expected to go wrong is told in a sentence, with status 1."""
    try:
        app(prog_name="baret")
    except ValidationError as error:
        sys.exit(f"baret: a setting is not understood: {error}")
    except (CoreError, RuntimeError) as error:
        sys.exit(f"baret: {error}")
