"""A public address with a path: every address in answers and pages is below it."""

import re
import socket
from collections.abc import Callable, Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from core.problems import edit_problem
from core.schema import EditStatus, Model
from core.settings import Settings
from core.store.edits import EditStore
from tests.support.api_app import serving
from tests.support.commands import ROOT

PUBLIC = "https://photos.example/baret"
# Some proxies drop the path of the public address, others leave it.
LEFT, DROPPED = "/baret", ""


@pytest.fixture
def client(settings: Settings, store: EditStore, model: Model) -> Iterator[TestClient]:
    store.announce("worker-1", model)
    below = settings.model_copy(update={"public_url": PUBLIC})
    with TestClient(create_app(below), base_url="http://127.0.0.1") as client:
        yield client


def inside(address: str, way: str) -> str:
    """Return what the service is asked for when somebody opens a public address."""
    parts = urlsplit(address)
    assert parts.path.startswith("/baret/"), address
    return way + parts.path.removeprefix("/baret") + (f"?{parts.query}" if parts.query else "")


@pytest.mark.parametrize("way", [LEFT, DROPPED])
@pytest.mark.parametrize("page", ["/", "/docs", "/docs/problems/not_found"])
def test_a_page_and_what_it_loads_are_below_the_path(
    client: TestClient, way: str, page: str
) -> None:
    answer = client.get(way + page)
    assert answer.status_code == 200
    links = re.findall(r'(?:href|src)="([^"]*)"', answer.text)
    assert len(links) > 2
    assert "{" not in answer.text
    for link in links:
        address = urljoin(f"{PUBLIC}{page}", link)
        assert client.get(inside(address, way)).status_code == 200, link


SCRIPTS = sorted(path.name for path in (ROOT / "api" / "web").glob("*.js"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_asks_at_the_root(client: TestClient, name: str) -> None:
    script = client.get(f"/web/{name}").text
    assert not re.search(r"""(?:fetch|request|call|address)\(\s*[`"']/""", script)


@pytest.mark.parametrize("way", [LEFT, DROPPED])
def test_an_edit_and_its_addresses_are_below_the_path(
    client: TestClient,
    make_image: Callable[..., bytes],
    finish: Callable[..., object],
    way: str,
) -> None:
    form = {"data": {"prompt": "a cat"}, "files": {"image": make_image()}}
    made = client.post(f"{way}/v1/edits", **form)
    assert made.headers["location"].startswith(f"{PUBLIC}/v1/edits/")
    finish()
    edit = client.get(inside(made.headers["location"], way)).json()
    for address in (edit["urls"]["events"], edit["outputs"][0]["url"], edit["urls"]["self"]):
        assert address.startswith(f"{PUBLIC}/v1/")
        assert client.get(inside(address, way)).status_code == 200


@pytest.mark.parametrize("way", [LEFT, DROPPED])
@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/edits?limit=0", "/v1/edits/%20", "/web/x"])
def test_a_problem_is_below_the_path(client: TestClient, way: str, path: str) -> None:
    problem = client.get(way + path).json()
    assert problem["type"].startswith("/baret/docs/problems/")
    assert problem["instance"] == "/baret" + path.partition("?")[0]
    assert client.get(inside(problem["type"], way)).status_code == 200


def test_why_an_edit_failed_is_below_the_path(
    client: TestClient, make_image: Callable[..., bytes], finish: Callable[..., object]
) -> None:
    form = {"data": {"prompt": "a cat"}, "files": {"image": make_image()}}
    edit_id = client.post("/v1/edits", **form).json()["id"]
    error = edit_problem("model_error").model_dump(exclude_none=True)
    finish(EditStatus.FAILED, error=error)
    edit = client.get(f"/v1/edits/{edit_id}").json()
    assert edit["error"]["type"] == "/baret/docs/problems/model_error"


def test_the_description_names_the_public_address(client: TestClient) -> None:
    assert client.get("/openapi.json").json()["servers"] == [{"url": PUBLIC}]


def test_the_root_needs_no_slash(client: TestClient) -> None:
    assert client.get("/baret").status_code == 200


def test_what_is_no_http_is_a_problem_below_the_path(settings: Settings) -> None:
    below = settings.model_copy(update={"public_url": PUBLIC})
    with serving(below) as address:
        url = httpx.URL(address)
        with socket.create_connection((url.host, url.port or 0), timeout=10) as wire:
            wire.sendall(b"GET /v1/edits HTTP/1.1\r\n\r\n")  # without a host
            answer = b"".join(iter(lambda: wire.recv(65536), b""))
    assert b'"type":"/baret/docs/problems/invalid_request"' in answer
