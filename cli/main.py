"""`baret`: the console script (`python -m cli`)."""

import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated

import typer
from pydantic import ValidationError

from cli import keys, models, processes, served
from cli.batch_command import batch
from cli.doctor import doctor
from cli.edit.command import EXIT_CODES, edit
from cli.errors import CliError, ExitCode, Stopped
from cli.help import FlowingHelp
from cli.mcp_command import mcp
from cli.speed import bench
from cli.terminal import say
from core.errors import CoreError

app = typer.Typer(
    help="Edit photos with a sentence, on this machine or on a server, and run that server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(cls=FlowingHelp, epilog=EXIT_CODES)(edit)
app.command(cls=FlowingHelp)(batch)
app.command("models", cls=FlowingHelp)(served.list_models)
app.command("up", cls=FlowingHelp)(processes.up)
app.command("worker", cls=FlowingHelp)(processes.worker)
app.command("mcp", cls=FlowingHelp)(mcp)
app.add_typer(keys.app, name="keys")
app.add_typer(models.app, name="model")
app.command("doctor", cls=FlowingHelp)(doctor)
app.command("bench", cls=FlowingHelp)(bench)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"baret {version('baret')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Print expected errors in a sentence and exit with their status.

    Args:
        arguments: None takes those of the process.
    """
    try:
        app(arguments, prog_name="baret")
    except Stopped:
        say("baret: stopped")
        sys.exit(ExitCode.STOPPED)
    except CliError as error:
        say(f"baret: {error}")
        sys.exit(error.exit_code)
    except ValidationError as error:
        sys.exit(f"baret: a setting is not valid: {error}")
    except (CoreError, RuntimeError) as error:
        sys.exit(f"baret: {error}")
