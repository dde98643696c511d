"""What one caller's requests take, alone and while others attack in every way at once.

`python -m tests.security.measure_shares` runs the service on loopback and prints the figure of
docs/reliability.md; `--help` shows the sizes.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil
from PIL import Image

from core.access.api_keys import Keyring, NewApiKey
from core.images.keys import INPUT, photo_prefix
from core.schema import EditStatus, Result, StoredImage
from tests.security.attackers import Attacker
from tests.support.commands import ROOT
from tests.support.model import MODEL, make_submission
from tests.support.service import Service, running_service
from tests.support.waiting import until

MB = 2**20
FREE = {"requests_per_minute": 10**6, "edits_in_flight": 10**6}  # pools, not rates, are measured
DEFAULT: dict[str, int] = {}  # the service's own limits of a key
Requests = dict[str, Callable[[], httpx.Response]]


@dataclass(frozen=True)
class Sizes:
    """How large the attack is."""

    attackers: int = 9
    edits: int = 1000  # of each attacker, with metadata
    large: tuple[int, int] = (7000, 6000)  # pixels of each attacker's output
    alone_seconds: float = 20.0
    attack_seconds: float = 60.0
    pause_seconds: float = 0.05  # between two requests of the caller
    limits: Mapping[str, int] = field(default_factory=lambda: FREE)  # of every key
    attack: dict[str, Any] = field(default_factory=dict)  # fields of `Attacker`

    @classmethod
    def within_default_limits(cls, **sizes: Any) -> "Sizes":
        """Return the same attack on a service whose keys have its own limits.

        The caller keeps to them; the attackers do not.
        """
        return cls(limits=DEFAULT, pause_seconds=0.2, **sizes)


@dataclass
class Samples:
    """What the requests of one caller took, by kind."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)  # kind and answer
    peak_bytes: int = 0  # resident, of the API's process

    def add(self, kind: str, request: Callable[[], httpx.Response]) -> None:
        """Send a request and time it."""
        started = time.perf_counter()
        answer = request()
        self.seconds.setdefault(kind, []).append(time.perf_counter() - started)
        if not answer.is_success:
            self.refused.append(f"{kind}: {answer.status_code} {answer.text}")


@dataclass
class Attack:
    """How the attackers' requests were answered, and what sending them took."""

    answers: dict[str, dict[str, int]] = field(default_factory=dict)  # way → status → count
    cores: float = 0.0  # that the attackers' own process used, on average


@dataclass(frozen=True)
class Outcome:
    """The caller's requests alone and under attack, and how the attackers' were answered."""

    alone: Samples
    attacked: Samples
    attackers: dict[str, dict[str, int]]  # way → status → count; 0: closed without an answer
    refused_by_pool: dict[str, float]
    cores: dict[str, float]  # that each part used under attack, on average

    def table(self) -> str:
        """Return the figure: a row for each kind of request."""
        rows = [
            f"| {kind} | {len(self.attacked.seconds[kind])} | {_ms(alone)} "
            f"| {_ms(self.attacked.seconds[kind])} | {self.ratio(kind):.1f} |"
            for kind, alone in self.alone.seconds.items()
        ]
        head = (
            "| the tenth caller's request | times | alone: median, worst | under attack: median, "
            "worst | ratio of medians |\n|---|---|---|---|---|\n"
        )
        return head + "\n".join(rows)

    def ratio(self, kind: str) -> float:
        """Return how many times as long a kind of request takes under attack."""
        return median(self.attacked.seconds[kind]) / median(self.alone.seconds[kind])

    @property
    def total_ratio(self) -> float:
        """Return how many times as long one of each kind takes."""
        attacked, alone = (
            sum(median(seconds) for seconds in samples.seconds.values())
            for samples in (self.attacked, self.alone)
        )
        return attacked / alone


def _ms(seconds: list[float]) -> str:
    return f"{1000 * median(seconds):.0f} ms, {1000 * max(seconds):.0f} ms"


def measure(folder: Path, sizes: Sizes, **settings: str) -> Outcome:
    """Run a service in a folder and attack it."""
    with running_service(folder, **settings) as service:
        service.store.announce("worker-1", MODEL)
        attackers = [make_attacker(service, number, sizes) for number in range(sizes.attackers)]
        key, edit_id = _caller(service, sizes, "tenth", (512, 512), metrics=True)
        headers = {"Authorization": f"Bearer {key}"}
        with httpx.Client(
            base_url=service.http.base_url, headers=headers, timeout=120, trust_env=False
        ) as client:
            requests = _requests(client, edit_id)
            pause = sizes.pause_seconds
            _sample(service, requests, 3.0, pause)  # the first of each kind loads and connects
            alone = _sample(service, requests, sizes.alone_seconds, pause)
            with attacking(folder, attackers) as attack:
                until(lambda: _have_begun(client, sizes.attackers), "the attack to begin")
                with counting_cores(service) as cores:
                    attacked = _sample(service, requests, sizes.attack_seconds, pause)
            metrics = client.get("/metrics").text
    cores["attackers"] = attack.cores
    return Outcome(alone, attacked, attack.answers, _refused(metrics), cores)


@contextmanager
def counting_cores(service: Service) -> Iterator[dict[str, float]]:
    """Count the CPU time of the service's parts inside, in cores; it is there afterwards."""
    redis: Any = service.redis.info("server")
    parts = {"API": service.api.pid, "Redis": redis["process_id"], "caller": os.getpid()}
    before, started = {name: _cpu_seconds(pid) for name, pid in parts.items()}, time.monotonic()
    images = _cpu_seconds_below(service.api.pid)
    cores: dict[str, float] = {}
    yield cores
    seconds = time.monotonic() - started
    cores |= {name: (_cpu_seconds(pid) - before[name]) / seconds for name, pid in parts.items()}
    cores["images"] = (_cpu_seconds_below(service.api.pid) - images) / seconds


def _cpu_seconds(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def _cpu_seconds_below(pid: int) -> float:
    """Return the CPU time of all that a process has started, ended ones included."""
    total = 0.0
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):  # it has ended, and is its parent's now
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def _requests(client: httpx.Client, edit_id: str) -> Requests:
    photo = BytesIO()
    Image.radial_gradient("L").resize((1500, 1000)).convert("RGB").save(photo, "JPEG")

    def post() -> httpx.Response:
        files = {"image": photo.getvalue()}
        return client.post("/v1/edits", data={"prompt": "a cat that sits"}, files=files)

    def first_event() -> httpx.Response:
        with client.stream("GET", f"/v1/edits/{edit_id}/events") as answer:
            next(answer.iter_lines())
            return answer

    edit = f"/v1/edits/{edit_id}"
    return {
        "POST of a photo": post,
        "GET of an edit": lambda: client.get(edit),
        "list of 20 edits": lambda: client.get("/v1/edits"),
        "list by metadata": lambda: client.get("/v1/edits", params={"metadata[order]": "7"}),
        "models": lambda: client.get("/v1/models"),
        "image as stored": lambda: client.get(f"{edit}/image"),
        "image as WebP": lambda: client.get(f"{edit}/image", params={"format": "webp"}),
        "first event of a stream": first_event,
    }


def _sample(service: Service, requests: Requests, seconds: float, pause: float) -> Samples:
    """Send one request of each kind after another, with pauses, until the time is over."""
    samples, process = Samples(), psutil.Process(service.api.pid)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for kind, request in requests.items():
            samples.add(kind, request)
            samples.peak_bytes = max(samples.peak_bytes, process.memory_info().rss)
            time.sleep(pause)
        service.store.announce("worker-1", MODEL)
    return samples


def _caller(
    service: Service, sizes: Sizes, name: str, size: tuple[int, int], *, metrics: bool = False
) -> tuple[str, str]:
    """Make a key and an edit with an output; return the key and the edit's id."""
    text, key = Keyring(service.redis).create(NewApiKey(name, metrics=metrics, **sizes.limits))
    edit = make_submission(caller=key.caller, model=MODEL.id)
    service.files.put(edit.id, "output.png", _output(size))
    service.files.put(photo_prefix(edit), INPUT, _output((500, 500)))
    service.store.submit(edit, limit=10**6)
    claim = service.store.claim(MODEL.id)
    assert claim is not None and claim.id == edit.id
    output = StoredImage(
        name="output.png",
        strength=0.7,
        width=size[0],
        height=size[1],
        content_type="image/png",
        sha256="0" * 64,
        bytes=1,
    )
    service.store.finish(claim, EditStatus.SUCCEEDED, result=Result(outputs=[output]))
    return text, edit.id


@cache
def _output(size: tuple[int, int]) -> bytes:
    file = BytesIO()
    noise = Image.effect_noise((500, 500), 40).convert("RGB")
    tiled = Image.new("RGB", size)
    for left in range(0, size[0], 500):
        for top in range(0, size[1], 500):
            tiled.paste(noise, (left, top))
    tiled.save(file, "PNG", compress_level=1)
    return file.getvalue()


def make_attacker(service: Service, number: int, sizes: Sizes) -> Attacker:
    """Make a key with a large output and many edits; nothing may claim edits meanwhile."""
    key, large = _caller(service, sizes, f"attacker {number}", sizes.large)
    caller = service.store.get(large).submission.caller
    queued = ""
    for order in range(sizes.edits):
        edit = make_submission(
            caller=caller,
            model="another",
            metadata={f"key-{i}": f"{order} {'x' * 200}" for i in range(16)},
        )
        service.store.submit(edit, limit=10**6)
        queued = edit.id
    base = service.http.base_url
    assert base.port is not None
    ways = {"source": large, **sizes.attack}
    return Attacker(base.host, base.port, key, large, queued, **ways)


@contextmanager
def attacking(folder: Path, attackers: list[Attacker]) -> Iterator[Attack]:
    """Attack inside; afterwards the outcome is in what is yielded."""
    plan = folder / "plan.json"
    plan.write_text(json.dumps([asdict(one) for one in attackers]))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.security.attackers", str(plan)],
        cwd=ROOT,
        stdin=subprocess.PIPE,  # they end when it is closed, also if this process is killed
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a scheduling group of its own, as on another machine
    )
    attack, started = Attack(), time.monotonic()
    try:
        yield attack
    finally:
        output, _ = process.communicate()  # closes their standard input
        answers, cpu_seconds = output.splitlines()
        attack.answers = json.loads(answers)
        attack.cores = float(cpu_seconds) / (time.monotonic() - started)


def _have_begun(client: httpx.Client, attackers: int) -> bool:
    """Return whether each attacker has a stream, on average; ask as seldom as the key may."""
    time.sleep(0.5)
    return _pool(client, "streams") > attackers


def _pool(client: httpx.Client, pool: str) -> float:
    """Return how many slots of a pool are in use."""
    (line,) = [
        line
        for line in client.get("/metrics").text.splitlines()
        if line.startswith(f'baret_share_in_use{{pool="{pool}"}}')
    ]
    return float(line.split()[-1])


def _refused(metrics: str) -> dict[str, float]:
    """Return how many requests each pool refused."""
    lines = [line for line in metrics.splitlines() if line.startswith("baret_share_refused_total")]
    found = {line.partition("{")[2].partition("}")[0]: float(line.split()[-1]) for line in lines}
    return {labels: count for labels, count in found.items() if count}


def main() -> None:
    """Print the figure."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.security.measure_shares", description=__doc__
    )
    parser.add_argument("--attackers", type=int, default=Sizes.attackers)
    parser.add_argument("--edits", type=int, default=Sizes.edits, help="of each attacker")
    parser.add_argument("--alone", type=float, default=Sizes.alone_seconds, help="seconds")
    parser.add_argument("--attack", type=float, default=Sizes.attack_seconds, help="seconds")
    parser.add_argument(
        "--default-limits",
        action="store_true",
        help="keys have the service's default limits, as attackers do, not a million a minute",
    )
    arguments = parser.parse_args()
    make = Sizes.within_default_limits if arguments.default_limits else Sizes
    sizes = make(
        attackers=arguments.attackers,
        edits=arguments.edits,
        alone_seconds=arguments.alone,
        attack_seconds=arguments.attack,
    )
    with tempfile.TemporaryDirectory() as folder:
        outcome = measure(Path(folder), sizes)
    print(outcome.table())
    print(f"one of each: {outcome.total_ratio:.2f} times as long")
    for name, samples in (("alone", outcome.alone), ("under attack", outcome.attacked)):
        print(f"{name}: {len(samples.refused)} refused, peak {samples.peak_bytes / MB:.0f} MB")
        print("\n".join(samples.refused[:5]))
    print(f"answers to the attackers: {json.dumps(outcome.attackers)}")
    print(f"refused by pool: {outcome.refused_by_pool}")
    used = ", ".join(f"{part} {count:.2f}" for part, count in outcome.cores.items())
    print(f"cores: {used}; load average {os.getloadavg()[0]:.0f}")


if __name__ == "__main__":
    main()
