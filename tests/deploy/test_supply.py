"""Pinned packages and their audit. No test here needs the internet."""

import json
import re
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.commands import ROOT
from tools.audit import CLEAN, FILES, UNKNOWN, VULNERABLE, audit

IMAGES = ("deploy/requirements-api.txt", "deploy/requirements-worker.txt")
# torch pins its CUDA libraries itself; only the worker has them.
CUDA_PACKAGES = re.compile(r"nvidia-|cuda-|triton$")

HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^\s;]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", IMAGES)
def test_images_pins_are_those_of_the_constraints(name: str) -> None:
    tested = pins((ROOT / "constraints.txt").read_text())
    for package, version in pins((ROOT / name).read_text()).items():
        if not CUDA_PACKAGES.match(package):
            assert tested.get(package) == version, f"{package}: `make requirements`"


@pytest.mark.parametrize("name", IMAGES)
def test_every_pin_has_hashes_and_no_place_of_its_own(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text.partition("make requirements\n")[2])
    assert len(entries) == len(pins(text)) > 40
    for entry in entries:
        first, *hashes = [line.strip().removesuffix(" \\") for line in entry.strip().splitlines()]
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", first), first
        assert hashes and all(HASH.fullmatch(one) for one in hashes), first
    assert not re.search(r"index|find-links|://|file:| @ |trusted-host", text)


def test_images_have_what_the_project_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed, worker = (
        {re.split(r"[\[>=]", one)[0] for one in named}
        for named in (project["dependencies"] + extras["tracing"], extras["worker"])
    )
    needed -= {"baret-client"}  # from this tree
    api_pins, worker_pins = (pins((ROOT / name).read_text()) for name in IMAGES)
    assert needed <= api_pins.keys() and needed | worker <= worker_pins.keys()
    assert "torch" not in api_pins


def test_the_audit_reads_every_file_of_pins() -> None:
    found: dict[str, str] = {}
    for file in FILES:
        found |= pins(file.read_text())
    for name in ("constraints.txt", *IMAGES):
        assert pins((ROOT / name).read_text()).items() <= found.items()


@contextmanager
def advisories(known: dict[str, str]) -> Iterator[list[str]]:
    """Serve advisories on loopback by OSV's API; yield pip-audit's options for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            vulns = [_advisory(name, known[name])] if name in known else []
            body = json.dumps({"vulns": vulns} if vulns else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}/v1/query"
            yield ["--vulnerability-service", "osv", "--osv-url", url]
        finally:
            server.shutdown()
            thread.join()


def _advisory(name: str, fixed_in: str) -> dict[str, object]:
    events = [{"introduced": "0"}, {"fixed": fixed_in}]
    return {
        "id": "PYSEC-2026-1",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"name": name, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
            }
        ],
    }


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    file = tmp_path / "pins.txt"
    file.write_text("h11==0.16.0\nidna==3.20\n")
    return file


@pytest.fixture(autouse=True)
def without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_an_audit_that_finds_nothing_is_clean(
    pinned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with advisories({}) as options:
        assert audit(pinned, options) == CLEAN
    assert "2 packages, 0 known vulnerabilities, 0 not looked up" in capsys.readouterr().out


def test_an_audit_that_finds_something_fails(
    pinned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with advisories({"h11": "0.17.0"}) as options:
        assert audit(pinned, options) == VULNERABLE
    assert "h11 0.16.0: PYSEC-2026-1, fixed in 0.17.0" in capsys.readouterr().out


def test_an_audit_without_advisories_says_so_and_is_not_clean(
    pinned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unreachable = ["--vulnerability-service", "osv", "--osv-url", "http://127.0.0.1:9/v1/query"]
    assert audit(pinned, unreachable) == UNKNOWN
    assert capsys.readouterr().out.startswith("NOT AUDITED pins.txt")


def test_a_check_without_advisories_goes_on_and_one_that_finds_something_fails() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "tools.audit || [ $$? -eq 3 ]" in makefile
    assert re.search(r"^check: .*\baudited\b", makefile, re.MULTILINE)
