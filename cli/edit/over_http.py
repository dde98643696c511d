"""Edits made by a server."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Self

import httpx
from baret_client import (
    Client,
    ClientError,
    Edit,
    EditCanceled,
    EditData,
    EditFailed,
    FieldError,
    Forbidden,
    ImageTooLarge,
    InvalidImage,
    NotFound,
    ProblemError,
    RateLimited,
    ServiceUnavailable,
    ServiceUnreachable,
    Unauthenticated,
    UnsupportedImage,
    ValidationFailed,
)

from cli.edit.backend import EditImages, EditJob, EditProgress, Report
from cli.errors import BadPhoto, CliError, EditNotMade, Refused, ServiceAway

AT_ONCE = 4  # edits in flight: a server with a GPU makes several in the time of one
CANCEL_SECONDS = 5.0


class ServerBackend:
    """Edits on a server, through the Python client."""

    preparation = ""

    def __init__(self, server: str, *, model: str | None, at_once: int | None):
        """Take what the command's options say."""
        self.at_once = at_once or AT_ONCE
        self.model = model or ""
        self._server = server
        self._lock = threading.Lock()
        self._running: set[str] = set()  # ids

    def __enter__(self) -> Self:
        self._client = connect(self._server)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def check(self, prompt: str, params: Mapping[str, Any]) -> None:
        """Leave it to the server."""

    def edit(self, job: EditJob, report: Report) -> EditImages:
        """Make an edit; see `Backend`."""
        with service_errors():
            edit = self._client.edits.create(
                job.data, prompt=job.prompt, model=self.model or None, **job.params
            )
            with self._canceled_unless_ended(edit):
                edit = edit.wait(on_progress=lambda now: report(_progress_of(now)))
            return _images_of(edit)

    @contextmanager
    def _canceled_unless_ended(self, edit: Edit) -> Iterator[None]:
        """Cancel the edit if the block ends early, for whatever reason."""
        with self._lock:
            self._running.add(edit.id)
        try:
            yield
        except (EditFailed, EditCanceled):
            raise
        except BaseException:
            self._cancel(edit.id)
            raise
        finally:
            with self._lock:
                self._running.discard(edit.id)

    def cancel_all(self) -> None:
        """Cancel every edit in flight; see `Backend`."""
        with self._lock:
            running = list(self._running)
        for edit_id in running:
            self._cancel(edit_id)

    def _cancel(self, edit_id: str) -> None:
        # A connection of its own: those of the client may be busy, and patient.
        with (
            Client(self._server, timeout=CANCEL_SECONDS, max_retries=1) as client,
            suppress(ClientError),
        ):
            client.edits.cancel(edit_id)


def connect(server: str | None) -> Client:
    """Return a client of a server (None: this machine's); its key is in BARET_API_KEY.

    Raises:
        Refused: the address is not one.
    """
    try:
        return Client(server)
    except (ValueError, httpx.InvalidURL) as error:
        raise Refused(str(error)) from error


@contextmanager
def service_errors() -> Iterator[None]:
    """Raise our own errors for the client's."""
    try:
        yield
    except ClientError as error:
        raise _translated(error) from error


def _translated(error: ClientError) -> CliError:  # noqa: PLR0911 - a table
    text = str(error)
    match error:
        case InvalidImage() | ImageTooLarge() | UnsupportedImage():
            return BadPhoto(text)
        case ValidationFailed(problem=problem) if problem.errors and all(
            one.pointer == "/image" for one in problem.errors
        ):
            return BadPhoto(problem.errors[0].detail)
        case Unauthenticated():
            return Refused(_about_key(error))
        case ValidationFailed(problem=problem) if problem.errors:
            return Refused("\n".join(map(_about_field, problem.errors)))
        case ValidationFailed() | Forbidden():
            return Refused(text)
        case ServiceUnreachable():
            return ServiceAway(f"{text}. Check the address; `baret up` starts a service here.")
        case RateLimited() | ServiceUnavailable():
            return ServiceAway(text)
        case ProblemError(problem=problem) if not problem.code:  # not BARET's answer
            return ServiceAway(text)
        case NotFound():
            return EditNotMade("The edit was deleted on the server.")
        case _:
            return EditNotMade(text)


def _about_field(error: FieldError) -> str:
    """Return a line for people: the field as the command names it, and what is wrong with it."""
    field = error.pointer.strip("/").replace("/", ".")
    return f"{field}: {error.detail}" if field else error.detail


def _about_key(error: Unauthenticated) -> str:
    if os.environ.get("BARET_API_KEY"):
        return f"The key in BARET_API_KEY was refused. {error.problem.detail}"
    return "This server takes only requests with a key: put yours into the variable BARET_API_KEY."


def _progress_of(edit: EditData) -> EditProgress:
    return EditProgress(
        edit.stage or edit.status, edit.progress, edit.eta_seconds, edit.queue_position
    )


def _images_of(edit: Edit) -> EditImages:
    return EditImages(
        outputs=tuple((one.strength, edit.image(strength=one.strength)) for one in edit.outputs),
        artifacts={kind: edit.artifact(kind) for kind in edit.artifacts},
        warnings=tuple(one.detail for one in edit.warnings),
        details=edit.json,
    )
