"""A sandbox that decodes untrusted images, each in a process that may crash.

Codecs are the largest piece of C code that a stranger can reach. So each image gets a new process,
forked from a small one that has loaded the codecs and has never seen an image. Its memory and time
are limited. It can open no file or connection, shares nothing with other images, and replies with
JSON and raw pixels, so nothing in its reply is executed.
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

MAX_HEADER = 2**16  # bytes of JSON at the start of a reply

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__, "core.images.codecs"])
# `multiprocessing` keeps lists of processes without a lock.
_LOCK = threading.Lock()
_ERRORS = {error.__name__: error for error in InputImageError.__subclasses__()}

Task = Callable[[bytes, Connection], None]


@dataclass(frozen=True)
class DecoderSandbox:
    """Runs a decoder per image, within limits. The defaults are measured: docs/architecture.md.

    CPU time and wall time are both limited, because a process may compute or hang.
    """

    memory: int = 1536 * 2**20  # bytes of address space
    cpu_seconds: int = 10
    seconds: float = 30.0  # wall time

    def inspect(self, data: bytes) -> InputImage:
        """Run `core.images.inspection.inspect` in the sandbox. Blocks.

        Raises:
            InputImageError: as `inspect` there; InvalidImage also if the process exceeded a limit.
            DecoderUnavailable: no process could be started.
        """
        check_format(data)
        (header,) = self._run(_inspect, data)
        return InputImage.model_validate_json(header)

    def decode(self, data: bytes) -> Image.Image:
        """Run `core.images.inspection.load_upright` in the sandbox: RGB without metadata. Blocks.

        Raises:
            InputImageError, DecoderUnavailable: as `inspect`.
        """
        check_format(data)
        reply, pixels = self._run(_decode, data, 3 * MAX_PIXELS)
        return Image.frombytes("RGB", tuple(json.loads(reply)["size"]), pixels)

    def _run(self, task: Task, data: bytes, *max_sizes: int) -> list[bytes]:
        """Run a task in the sandbox; return its header and one message per maximum size."""
        process, pipe = _start(task, self)
        watchdog = threading.Timer(self.seconds, process.kill)
        try:
            watchdog.start()
            pipe.send_bytes(data)
            header = pipe.recv_bytes(MAX_HEADER)
            _raise_reported_error(header)
            return [header, *(pipe.recv_bytes(size) for size in max_sizes)]
        except (EOFError, OSError) as error:
            raise InvalidImage(
                "The image takes too much time or memory to decode. Save it again, in another "
                "format, and send that."
            ) from error
        finally:
            watchdog.cancel()
            pipe.close()
            _end(process)


def warm_up() -> None:
    """Start the process that decoders are forked from, so that the first image need not wait."""
    with suppress(DecoderUnavailable):
        process, pipe = _start(_inspect, DecoderSandbox())
        pipe.close()
        _end(process)


def _start(task: Task, limits: DecoderSandbox) -> tuple[ForkServerProcess, Connection]:
    try:
        ours, theirs = _CONTEXT.Pipe()
        with theirs:
            process = _CONTEXT.Process(target=_main, args=(task, theirs, limits), daemon=True)
            with _LOCK:
                process.start()
    except (OSError, EOFError) as error:
        raise DecoderUnavailable(
            "No process to decode the image could be started. Try again."
        ) from error
    return process, ours


def _end(process: ForkServerProcess) -> None:
    """Kill the process, whatever it is doing."""
    with _LOCK:
        process.kill()
        process.join()
        process.close()


def _raise_reported_error(reply: bytes) -> None:
    header = json.loads(reply)
    if "error" in header:
        raise _ERRORS[header["error"]](header["message"])


# The rest runs in the image's own process.


def _main(task: Task, pipe: Connection, limits: DecoderSandbox) -> None:
    import core.images.codecs  # noqa: F401, PLC0415 - preloaded if possible; only here

    _apply_limits(limits)
    try:
        task(pipe.recv_bytes(MAX_BYTES), pipe)
    except InputImageError as error:
        _send(pipe, error=type(error).__name__, message=str(error))
    except (EOFError, OSError):
        return  # the parent has closed the pipe
    except Exception:  # codecs may raise anything
        _send(pipe, error="InvalidImage", message="The image cannot be read; it is broken.")


def _apply_limits(limits: DecoderSandbox) -> None:
    with suppress(OSError):  # if the machine runs out of memory, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000")
    for kind, limit in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        with suppress(OSError, ValueError):  # a lower limit is set; macOS has none for memory
            resource.setrlimit(kind, (limit, limit))


def _inspect(data: bytes, pipe: Connection) -> None:
    pipe.send_bytes(inspect(data).model_dump_json().encode())


def _decode(data: bytes, pipe: Connection) -> None:
    image = load_upright(data)
    _send(pipe, size=image.size)
    pipe.send_bytes(image.tobytes())


def _send(pipe: Connection, **header: Any) -> None:
    pipe.send_bytes(json.dumps(header).encode())
