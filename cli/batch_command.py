"""`baret batch`: the edits of a file in one request, followed to their end."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from cli.edit.progress import time_left
from cli.edit.results import write
from cli.errors import ExitCode, Stopped
from cli.stopping import terminated_as_interrupted
from cli.terminal import console, print_result, say

if TYPE_CHECKING:
    from baret_client import Batch, Client


def batch(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, help="One edit a line, as JSON; at most 10,000."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="File of the results. Default: FILE-results.jsonl."),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="BARET_SERVER", help="Default: this machine, port 8000."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Make many edits on a server, after those that somebody waits for.

    A line is {"image": ADDRESS, "prompt": …} or a line of OpenAI's Batch API. All are checked
    before any is made. The file of results has a line for each edit, in the same order: the edit
    with its images' addresses, or why it failed.

    \b
    Examples:
      baret batch spring.jsonl
      baret batch spring.jsonl -o done.jsonl --server https://photos.example
    """
    # Only now: most commands need no HTTP client.
    from cli.edit.over_http import connect, service_errors  # noqa: PLC0415

    with connect(server) as client, service_errors():
        made = client.batches.create(file)
        note = (lambda text: None) if quiet else say
        note(f"{made.id}: {made.request_counts.total} edits")
        ended = _wait(client, made, quiet=quiet)
        results = [one.json for one in client.batches.results(ended)]
    where = out or file.with_name(f"{file.stem}-results.jsonl")
    lines = (json.dumps(one, ensure_ascii=False) + "\n" for one in results)
    write(where, "".join(lines).encode())
    print_result(str(where))
    counts = ended.request_counts
    if counts.completed < counts.total:
        say(f"{counts.total - counts.completed} of {counts.total} edits were not made")
        raise typer.Exit(ExitCode.FAILED)


def _wait(client: "Client", made: "Batch", *, quiet: bool) -> "Batch":
    """Wait until the batch has ended; cancel it if the command is stopped."""
    try:
        with terminated_as_interrupted(), _progress(quiet=quiet) as show:
            return client.batches.wait(made, on_progress=show)
    except KeyboardInterrupt as error:
        client.batches.cancel(made)
        raise Stopped from error


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[["Batch"], None]]:
    """Yield a function that shows how far a batch is, if there is a terminal."""
    target = console()
    if quiet or not target.is_terminal:
        yield lambda now: None
        return
    columns = (BarColumn(24), TaskProgressColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=target, transient=True) as progress:
        task = progress.add_task("", total=1.0, left="")
        yield lambda now: progress.update(
            task, completed=now.progress, left=time_left(now.eta_seconds)
        )
