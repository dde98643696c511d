"""Strangers' pictures are decoded in processes of their own, which may die.

A codec is the largest piece of C that a stranger can reach. So each picture gets a fresh process,
forked from a small one that has the codecs loaded and has never seen a picture. It may take so
much memory and so long, opens no file and no connection, shares nothing with other pictures, and
answers in JSON and plain pixels: nothing that it says is executed.
"""

import json
import multiprocessing
import resource
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from PIL import Image

from core.errors import DecoderUnavailable, InputImageError, InvalidImage
from core.images.inspection import MAX_BYTES, MAX_PIXELS, check_format, inspect, load_upright
from core.schema import InputImage

MAX_NOTE = 2**16  # bytes of JSON

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__, "core.images.codecs"])
# `multiprocessing` keeps lists of processes that no lock of its own guards.
_LOCK = threading.Lock()
_ERRORS = {kind.__name__: kind for kind in InputImageError.__subclasses__()}

Work = Callable[[bytes, Connection], None]


@dataclass(frozen=True)
class DecoderSandbox:
    """What one picture's process may take. The defaults are measured: docs/architecture.md.

    Two kinds of time are bounded, since a process may compute for long or stand still for long.
    """

    memory: int = 1536 * 2**20  # bytes of address space
    cpu_seconds: int = 10
    seconds: float = 30.0

    def inspect(self, data: bytes) -> InputImage:
        """`core.images.inspection.inspect`, apart. Blocks.

        Raises:
            InputImageError: as it does; InvalidImage too where the process had to be ended.
            DecoderUnavailable: no process could be started.
        """
        check_format(data)
        (note,) = self._apart(_inspect, data)
        return InputImage.model_validate_json(note)

    def decode(self, data: bytes) -> Image.Image:
        """The whole picture, upright, with its colour profile and none of its other metadata.

        Raises:
            InputImageError, DecoderUnavailable: as `inspect`.
        """
        check_format(data)
        note, profile, pixels = self._apart(_decode, data, MAX_BYTES, 4 * MAX_PIXELS)
        told = json.loads(note)
        image = Image.frombytes(told["mode"], tuple(told["size"]), pixels)
        transparency = told["transparency"]
        if profile:
            image.info["icc_profile"] = profile
        if transparency is not None:
            many = isinstance(transparency, list)
            image.info["transparency"] = tuple(transparency) if many else transparency
        return image

    def _apart(self, work: Work, data: bytes, *sizes: int) -> list[bytes]:
        """What work done apart says: a note, then a message of at most each of these sizes."""
        process, pipe = _start(work, self)
        watch = threading.Timer(self.seconds, process.kill)
        try:
            watch.start()
            pipe.send_bytes(data)
            note = pipe.recv_bytes(MAX_NOTE)
            _raise_what_is_told(note)
            return [note, *(pipe.recv_bytes(size) for size in sizes)]
        except (EOFError, OSError) as error:
            raise InvalidImage(
                "The picture takes more time or memory to decode than one may. Save it anew, "
                "in another format, and send that."
            ) from error
        finally:
            watch.cancel()
            pipe.close()
            _end(process)


def warm_up() -> None:
    """Start the process that others are forked from; else the first picture waits for it."""
    with suppress(DecoderUnavailable):
        process, pipe = _start(_inspect, DecoderSandbox())
        pipe.close()
        _end(process)


def _start(work: Work, bounds: DecoderSandbox) -> tuple[ForkServerProcess, Connection]:
    try:
        ours, theirs = _CONTEXT.Pipe()
        with theirs:
            process = _CONTEXT.Process(target=_main, args=(work, theirs, bounds), daemon=True)
            with _LOCK:
                process.start()
    except (OSError, EOFError) as error:
        raise DecoderUnavailable(
            "No process to decode the picture could be started. Try again."
        ) from error
    return process, ours


def _end(process: ForkServerProcess) -> None:
    """Whatever it does, it does no longer."""
    with _LOCK:
        process.kill()
        process.join()
        process.close()


def _raise_what_is_told(note: bytes) -> None:
    told = json.loads(note)
    if "error" in told:
        raise _ERRORS[told["error"]](told["message"])


# What follows runs in the picture's own process.


def _main(work: Work, pipe: Connection, bounds: DecoderSandbox) -> None:
    import core.images.codecs  # noqa: F401, PLC0415 - loaded already where it could be; nowhere else

    _bind(bounds)
    try:
        work(pipe.recv_bytes(MAX_BYTES), pipe)
    except InputImageError as error:
        _tell(pipe, error=type(error).__name__, message=str(error))
    except (EOFError, OSError):
        return  # nobody listens
    except Exception:  # whatever a codec raises
        _tell(pipe, error="InvalidImage", message="The picture cannot be read; it is broken.")


def _bind(bounds: DecoderSandbox) -> None:
    with suppress(OSError):  # where the machine's memory ends all the same, this process does first
        Path("/proc/self/oom_score_adj").write_text("1000")
    for kind, most in (
        (resource.RLIMIT_AS, bounds.memory),
        (resource.RLIMIT_CPU, bounds.cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        with suppress(OSError, ValueError):  # it has a lower one; macOS knows none for memory
            resource.setrlimit(kind, (most, most))


def _inspect(data: bytes, pipe: Connection) -> None:
    pipe.send_bytes(inspect(data).model_dump_json().encode())


def _decode(data: bytes, pipe: Connection) -> None:
    image = load_upright(data)
    transparency = image.info.get("transparency")
    _tell(pipe, mode=image.mode, size=image.size, transparency=transparency)
    pipe.send_bytes(image.info.get("icc_profile") or b"")
    pipe.send_bytes(image.tobytes())


def _tell(pipe: Connection, **note: Any) -> None:
    pipe.send_bytes(json.dumps(note).encode())
