import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from bench.study import folder, server
from bench.study.answers import Answer, append, read
from tests.bench.study.one_colour import METHODS

BASE = "http://127.0.0.1"
ANSWER = {"pair": 3, "asked": "left", "kept": "both", "better": "equal"}
WEB = Path(server.__file__).with_name("web")


@pytest.fixture
def client(study):
    with TestClient(server.create_app(study), base_url=BASE) as client:
        yield client


def _everything(client, study):
    """All that a browser can fetch, with the headers."""
    urls = {"/", "/study", "/answers?rater=ann"}
    urls |= {f"/web/{path.name}" for path in WEB.iterdir()}
    for pair in client.get("/study").json():
        urls |= {f"/images/{pair[side]}.png" for side in ("photo", "left", "right")}
    return {url: client.get(url) for url in urls}


def test_no_method_reaches_the_browser(client, study):
    append(study.answers, "ann", [Answer(**ANSWER)])
    fetched = _everything(client, study)
    assert fetched["/"].status_code == fetched["/web/page.js"].status_code == 200
    assert len([url for url in fetched if url.startswith("/images/")]) > 12
    for response in fetched.values():
        sent = response.content + repr(response.headers).encode()
        for method in METHODS:
            assert method.encode() not in sent.lower()


@pytest.mark.parametrize(
    "path",
    [
        f"/{folder.KEY}",
        f"/{folder.STUDY}",
        f"/images/{folder.KEY}",
        f"/images/../{folder.KEY}",
        f"/images/..%2f{folder.KEY}",
        f"/web/..%2f..%2f{folder.KEY}",
        "/images/0000000000000000.png",
        "/web/index.html",
        "/openapi.json",
        "/docs",
    ],
)
def test_nothing_else_is_served(client, path):
    assert client.get(path).status_code == 404


def test_the_page_gets_along_without_the_key(study):
    (study.folder / folder.KEY).unlink()
    with TestClient(server.create_app(study), base_url=BASE) as client:
        assert {response.status_code for response in _everything(client, study).values()} <= {
            200,
            404,  # /web/index.html, which is at /
        }
        assert client.post("/answers?rater=ann", json=ANSWER).status_code == 204


def test_an_answer_is_stored_and_given_back_to_its_rater(client, study):
    assert client.post("/answers?rater=ann", json=ANSWER).status_code == 204
    changed = {**ANSWER, "asked": "neither"}
    client.post("/answers?rater=ann", json=changed)
    assert client.get("/answers?rater=ann").json() == [changed]
    assert client.get("/answers?rater=bob").json() == []
    assert read(study.answers, "ann") == {3: Answer(**changed)}


@pytest.mark.parametrize(
    ("query", "change", "status"),
    [
        ("rater=ann", {"better": "both"}, 422),
        ("rater=ann", {"pair": 13}, 404),
        ("rater=ann", {"method": "alpha"}, 422),
        ("rater=../ann", {}, 422),
        ("", {}, 422),
    ],
)
def test_what_is_no_answer_is_refused(client, study, query, change, status):
    response = client.post(f"/answers?{query}", json={**ANSWER, **change})
    assert response.status_code == status
    assert not study.answers.exists()


def test_foreign_pages_can_neither_read_nor_answer(client, study):
    """A page elsewhere: under its own name for this machine, or with a form."""
    assert client.get("/study", headers={"Host": "evil.example"}).status_code == 400
    form = {"Content-Type": "text/plain", "Origin": "https://evil.example"}
    response = client.post("/answers?rater=ann", content=json.dumps(ANSWER), headers=form)
    assert response.status_code == 422
    assert not study.answers.exists()
    assert "access-control-allow-origin" not in client.get("/study").headers


def test_the_page_loads_only_from_here(client):
    page = client.get("/")
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    linked = re.findall(r'(?:src|href)="([^"?]*)', page.text)
    assert {link for link in linked if link} == {
        "/web/icon.svg",
        "/web/style.css",
        "/web/page.js",
        "/",
    }
    assert not re.search(r"\sstyle=|\son\w+=|<script>|<style>", page.text)


def test_every_choice_has_a_label_and_every_question_a_legend(client):
    page = client.get("/").text
    fieldsets = re.findall(r"<fieldset>(.*?)</fieldset>", page, re.DOTALL)
    assert [re.findall(r'value="(\w+)"', fieldset) for fieldset in fieldsets] == [
        ["left", "right", "both", "neither"],
        ["left", "right", "both", "neither"],
        ["left", "right", "equal"],
    ]
    for fieldset in fieldsets:
        assert fieldset.count("<legend>") == 1
        assert fieldset.count("<label><input") == fieldset.count("<input")


def test_a_rater_can_be_named_by_the_command(study):
    with TestClient(server.create_app(study, "Ann Lee"), base_url=BASE) as client:
        assert client.get("/", follow_redirects=False).headers["location"] == "/?rater=Ann%20Lee"
        assert client.get("/?rater=", follow_redirects=False).status_code == 200
    assert server.page_url(8400, "Ann Lee") == "http://127.0.0.1:8400/?rater=Ann%20Lee"
