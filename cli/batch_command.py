"""`baret batch`: the edits of a file in one request, followed to their end."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from cli.batch_images import BatchImage, download, name_images
from cli.edit.progress import time_left
from cli.edit.results import write
from cli.errors import ExitCode, Stopped
from cli.stopping import terminated_as_interrupted
from cli.terminal import console, print_result, say

if TYPE_CHECKING:
    from baret_client import Batch, BatchResult, Client


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
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Folder for the edited photos; without it they stay on the server.",
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="BARET_SERVER", help="Default: this machine, port 8000."
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")] = False,
) -> None:
    """Make all edits that a file lists, on a server; edits that somebody waits for go first.

    A line is {"image": ADDRESS, "prompt": …} or a line of OpenAI's Batch API. All are checked
    before any is made. The file of results has a line for each edit, in the same order: the edit
    with its images' addresses, or why it failed. With --images, the edited photos are downloaded,
    each named after its `custom_id` or the number of its line.

    \b
    Examples:
      baret batch spring.jsonl --images edited/
      baret batch spring.jsonl -o done.jsonl --server https://photos.example
    """
    # Only now: most commands need no HTTP client.
    from cli.edit.over_http import connect, service_errors  # noqa: PLC0415

    with connect(server) as client, service_errors():
        made = client.batches.create(file)
        note = (lambda text: None) if quiet else say
        note(f"{made.id}: {made.request_counts.total} edits")
        ended = _wait(client, made, quiet=quiet)
        results = list(client.batches.results(ended))
        named = name_images(results, images) if images else None
        where = out or file.with_name(f"{file.stem}-results.jsonl")
        write(where, _lines(results, named))
        print_result(str(where))
        for path in download(client, named or ()):
            print_result(str(path))
    counts = ended.request_counts
    if counts.completed < counts.total:
        say(f"{counts.total - counts.completed} of {counts.total} edits were not made")
        raise typer.Exit(ExitCode.FAILED)


def _lines(results: Sequence["BatchResult"], named: Sequence[Sequence[BatchImage]] | None) -> bytes:
    """Return the file of results; its lines name the edits' files, if there are any."""
    lines = [one.json for one in results]
    if named is not None:
        for line, images in zip(lines, named, strict=True):
            line["files"] = [str(image.path) for image in images]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode()


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
