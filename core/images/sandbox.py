"""A sandbox that decodes untrusted images, and encodes ours, each in a process that may crash.

Codecs are the largest piece of C code that a stranger can reach. So each image gets a new process,
forked from a small one that has loaded the codecs and has never seen an image. Its memory and time
are limited. It can open no file or connection, shares nothing with other images, and replies with
JSON and raw pixels, so nothing in its reply is executed.
"""

import io
import json
import multiprocessing
import multiprocessing.connection
import os
import resource
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from PIL import Image

from core.errors import DecoderUnavailable, InputImageError, InvalidImage
from core.images.inspection import MAX_BYTES, MAX_PIXELS, check_format, inspect, load_upright
from core.images.provenance import Marking
from core.schema import InputImage, OutputFormat

MAX_HEADER = 2**16  # bytes of JSON at the start of a reply
# Encoding 50 megapixels as WebP takes some 20 s of CPU time on one core.
ENCODING_SECONDS = 120

_PROC = Path("/proc/self")

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__, "core.images.codecs"])
# `multiprocessing` keeps lists of processes without a lock.
_LOCK = threading.Lock()
_ERRORS = {error.__name__: error for error in InputImageError.__subclasses__()}

Task = Callable[[bytes, Connection], None]


class SandboxControl:
    """Lets another thread slow down or kill a process of the sandbox while it works."""

    def __init__(self, nice: int = 0):
        """Set how much nicer than this one the process is, for the system's scheduler."""
        self.nice = nice
        self.was_killed = False
        self._process: ForkServerProcess | None = None
        self._started_at = self._cpu_seconds = 0.0
        self._lock = threading.Lock()

    def kill(self) -> None:
        """Kill the process, also if it has not started yet."""
        with self._lock:
            self.was_killed = True
            if self._process is not None:
                self._process.kill()

    def slow_down(self, nice: int) -> None:
        """Let other processes go before it from now on."""
        with self._lock:
            self.nice = nice
            if self._process is not None and self._process.pid is not None:
                _set_nice(self._process.pid, nice)

    def cpu_seconds(self) -> float:
        """Return how long the process has computed, or had when it was last seen.

        Without /proc (macOS), it is how long it has run.
        """
        with self._lock:
            self._look()
            return self._cpu_seconds

    def _look(self) -> None:
        if self._process is None or self._process.pid is None:
            return
        if not _PROC.exists():
            self._cpu_seconds = time.monotonic() - self._started_at
            return
        with suppress(OSError):  # it has ended
            stat = (_PROC.parent / str(self._process.pid) / "stat").read_text()
            user, system = stat.rpartition(")")[2].split()[11:13]  # proc_pid_stat(5), 14 and 15
            self._cpu_seconds = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @contextmanager
    def over(self, process: ForkServerProcess) -> Iterator[None]:
        """Control the process inside."""
        with self._lock:
            self._process = process
            self._started_at, self._cpu_seconds = time.monotonic(), 0.0
            if process.pid is not None:
                _set_nice(process.pid, self.nice)
            if self.was_killed:
                process.kill()
        try:
            yield
        finally:
            with self._lock:
                self._look()
                self._process = None


@dataclass(frozen=True)
class DecoderSandbox:
    """Runs a decoder per image, within limits. The defaults are measured: docs/architecture.md.

    CPU time and wall time are both limited, because a process may compute or hang.
    """

    memory: int = 1536 * 2**20  # bytes of address space
    cpu_seconds: int = 10
    seconds: float = 30.0  # wall time

    def inspect(self, data: bytes, control: SandboxControl | None = None) -> InputImage:
        """Run `core.images.inspection.inspect` in the sandbox. Blocks.

        Raises:
            InputImageError: as `inspect` there; InvalidImage also if the process exceeded a limit.
            DecoderUnavailable: no process could be started.
        """
        check_format(data)
        (header,) = self._run(_inspect, [data], control=control)
        return InputImage.model_validate_json(header)

    def decode(self, data: bytes) -> Image.Image:
        """Run `core.images.inspection.load_upright` in the sandbox: RGB without metadata. Blocks.

        Raises:
            InputImageError, DecoderUnavailable: as `inspect`.
        """
        check_format(data)
        reply, pixels = self._run(_decode, [data], 3 * MAX_PIXELS)
        return Image.frombytes("RGB", tuple(json.loads(reply)["size"]), pixels)

    def encode(
        self,
        data: bytes,
        form: OutputFormat,
        *,
        quality: int,
        marking: Marking,
        model: str,
        control: SandboxControl | None = None,
    ) -> bytes:
        """Encode one of our images in another format, as `Marking.encode` does. Blocks.

        Here for its memory, which the process gives back, and because a process can be stopped.

        Raises:
            DecoderUnavailable: it took too much time or memory, or no process could be started.
        """
        options = {"form": form, "quality": quality, "model": model, "marks": marking.enabled}
        limits = replace(self, cpu_seconds=ENCODING_SECONDS, seconds=1.5 * ENCODING_SECONDS)
        messages = [json.dumps(options).encode(), data]
        try:
            _, encoded = limits._run(_encode, messages, 4 * MAX_PIXELS, control=control)
        except InputImageError as error:  # a stored image is not the caller's fault
            raise DecoderUnavailable(
                "The image could not be converted. Get it in its own format."
            ) from error
        # Signing needs the certificate's key, which the process must not have.
        return marking.sign(encoded, form, model)

    def _run(
        self,
        task: Task,
        messages: Sequence[bytes],
        *max_sizes: int,
        control: SandboxControl | None = None,
    ) -> list[bytes]:
        """Run a task in the sandbox; return its header and one message per maximum size."""
        process, pipe = _start(task, self)
        watchdog = threading.Timer(self.seconds, process.kill)
        try:
            watchdog.start()
            with (control or SandboxControl()).over(process):
                for message in messages:
                    pipe.send_bytes(message)
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
    process.kill()
    # Without the lock: a nice process on a busy machine may take long to end.
    multiprocessing.connection.wait([process.sentinel])
    with _LOCK:
        process.join()
        process.close()


def _set_nice(pid: int, nice: int) -> None:
    """Make a process nicer than this one by so much."""
    if nice == 0:
        return
    with suppress(OSError):  # it has ended, or is nicer already
        os.setpriority(os.PRIO_PROCESS, pid, min(19, os.nice(0) + nice))


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


def _encode(options: bytes, pipe: Connection) -> None:
    asked = json.loads(options)
    with Image.open(io.BytesIO(pipe.recv_bytes())) as image:
        encoded = Marking(asked["marks"]).encode(
            image, OutputFormat(asked["form"]), quality=asked["quality"], model=asked["model"]
        )
    _send(pipe)
    pipe.send_bytes(encoded)


def _send(pipe: Connection, **header: Any) -> None:
    pipe.send_bytes(json.dumps(header).encode())
