"""What happens to a mutant that is judged and decoded in a process as the service starts it."""

import json
import resource
import signal
import time
from multiprocessing.connection import Connection

from core.errors import InputImageError
from core.images import sandbox
from core.images.inspection import inspect, load_upright
from core.images.sandbox import DecoderSandbox
from tests.security.mutations import Mutant


def outcome(mutant: Mutant, bounds: DecoderSandbox) -> dict[str, object]:
    """Judge and decode a mutant in its own process, and return the outcome with seconds and MiB.

    The outcome is `served`, `refused`, `escaped` (an error that is not one of ours), `differs`
    (judged whole, but decoded differently), `time`, or `crash` with the signal.
    """
    process, pipe = sandbox._start(look, bounds)
    started = time.monotonic()
    try:
        pipe.send_bytes(mutant.data)
        if not pipe.poll(bounds.seconds):
            return {"outcome": "time", "seconds": bounds.seconds}
        found: dict[str, object] = json.loads(pipe.recv_bytes())
        return found
    except (EOFError, OSError):
        process.join()
        ended = -(process.exitcode or 0)
        kind = "time" if ended == signal.SIGXCPU else "crash"
        return {"outcome": kind, "signal": ended, "seconds": time.monotonic() - started}
    finally:
        pipe.close()
        sandbox._end(process)


def look(data: bytes, pipe: Connection) -> None:
    """Send the outcome through the pipe; this runs in the picture's own process."""
    started = time.process_time()
    found = _look(data)
    found["seconds"] = time.process_time() - started
    found["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send_bytes(json.dumps(found).encode())


def _look(data: bytes) -> dict[str, object]:
    try:
        judged = inspect(data)
    except InputImageError as error:
        return {"outcome": "refused", "why": type(error).__name__}
    except BaseException as error:
        return {"outcome": "escaped", "why": repr(error)}
    try:
        image = load_upright(data)
    except BaseException as error:
        return {"outcome": "differs", "why": repr(error)}
    if image.size != (judged.width, judged.height):
        return {"outcome": "differs", "why": f"{image.size}, judged {judged}"}
    return {"outcome": "served"}
