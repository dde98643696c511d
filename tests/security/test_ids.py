"""Other callers' ids, made-up ids, cursors and signed URLs, and ids that look like paths."""

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import redis
from fastapi.testclient import TestClient
from httpx import Response

from core.access.api_keys import ApiKey
from core.ids import new_edit_id
from core.images.storage import ImageStorage
from core.store import keys
from tests.security.others_edits import OPERATIONS, told
from tests.security.tally import Tally

Post = Callable[..., Response]
MakeKey = Callable[..., tuple[dict[str, str], ApiKey]]


@pytest.mark.parametrize("state", ["queued", "succeeded", "expired"])
def test_anothers_edit_is_answered_byte_for_byte_like_none(
    client: TestClient,
    make_key: MakeKey,
    post: Post,
    finish: Callable[..., Any],
    redis_url: str,
    tally: Tally,
    state: str,
) -> None:
    ann, _ = make_key("ann")
    ben, _ = make_key("ben")
    mine = post(headers=ann, webhook_url="http://127.0.0.1:9/hook").json()["id"]
    if state != "queued":
        finish()
    if state == "expired":
        with redis.Redis.from_url(redis_url) as store:
            owner: Any = store.hget(keys.edit(mine), "caller")
            store.delete(keys.edit(mine))
            store.set(keys.expired(mine), owner)
        assert client.get(f"/v1/edits/{mine}", headers=ann).status_code == 410
    for method, path, headers in OPERATIONS:
        answers = []
        for edit_id in (mine, new_edit_id()):
            address = path.format(id=edit_id, bare=edit_id.removeprefix("edit_"))
            answer = client.request(method, address, headers={**ben, **headers})
            tally.count("other callers' edits", answer.status_code)
            answers.append(told(answer, edit_id))
        assert answers[0] == answers[1], (method, path)
        assert answers[0][0] in (404, 405)
    for edit_id in (mine, new_edit_id()):
        answer = client.post("/v1/edits", json={"prompt": "x", "source": edit_id}, headers=ben)
        tally.count("other callers' edits", answer.status_code)
        answers.append(told(answer, edit_id))
    assert answers[-2] == answers[-1]
    assert client.get("/v1/edits", headers=ben).json() == {"data": [], "next_cursor": None}
    if state != "expired":
        assert client.get(f"/v1/edits/{mine}", headers=ann).status_code == 200


def test_anothers_idempotency_key_says_nothing(
    client: TestClient,
    make_key: MakeKey,
    post: Post,
) -> None:
    ann, _ = make_key("ann")
    ben, _ = make_key("ben")
    first = post(headers={**ann, "Idempotency-Key": "order-1"})
    other = post(headers={**ben, "Idempotency-Key": "order-1"}, prompt="another body")
    assert (first.status_code, other.status_code) == (202, 202)
    assert "idempotent-replayed" not in other.headers
    assert first.json()["id"] != other.json()["id"]


def test_a_cursor_is_its_callers_and_cannot_be_made(
    client: TestClient,
    make_key: MakeKey,
    post: Post,
    tally: Tally,
) -> None:
    ann, _ = make_key("ann")
    ben, _ = make_key("ben")
    ids = [post(headers=ann).json()["id"] for _ in range(3)]
    cursor = client.get("/v1/edits?limit=1", headers=ann).json()["next_cursor"]
    page = client.get("/v1/edits", params={"cursor": cursor}, headers=ann).json()
    assert [edit["id"] for edit in page["data"]] == ids[1::-1]
    assert len(cursor) == 44
    place = bytes.fromhex(ids[1].removeprefix("edit_"))
    swapped = base64.urlsafe_b64encode(place + base64.urlsafe_b64decode(cursor)[16:]).decode()
    made_up = [
        base64.urlsafe_b64encode(place).decode(),  # the old format of cursors
        base64.urlsafe_b64encode(place + bytes(17)).decode(),
        swapped,
        *(cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(44)),
        cursor[:-4],
        cursor + "AAAA",
        f"{cursor}=",
        f" {cursor}",
        f"{cursor}\n",
        *("", "\0", "..", "*", "[", "(edit_0", "+", "-", "%", "é" * 44, "A" * 60_000),
    ]
    answers = [client.get("/v1/edits", params={"cursor": one}, headers=ann) for one in made_up]
    answers.append(client.get("/v1/edits", params={"cursor": cursor}, headers=ben))
    for answer in answers:
        tally.count("forged cursors", answer.status_code)
    assert {(a.status_code, a.json()["code"]) for a in answers} == {(400, "invalid_request")}
    assert all(told(a, "") == told(answers[0], "") for a in answers)


def test_a_signed_address_can_neither_be_forged_nor_stretched(
    client: TestClient,
    post: Post,
    finish: Callable[..., Any],
    tally: Tally,
) -> None:
    edits = []
    for _ in range(2):
        edit_id = post().json()["id"]
        finish()
        edits.append(client.get(f"/v1/edits/{edit_id}").json())
    one, other = (urlsplit(edit["outputs"][0]["url"]) for edit in edits)
    query = {name: values[0] for name, values in parse_qs(one.query).items()}
    until, signature = query["expires"], query["signature"]
    good = f"{one.path}?{one.query}"
    assert client.get(good).status_code == 200
    later = str(int(until) + 86400)
    arabic = until.translate({48 + n: 0x660 + n for n in range(10)})
    moments = [later, f"0{until}", f"+{until}", f" {until}", f"{until} ", f"-{until}", arabic]
    moments += [f"{until}.0", f"{until}e0", f"{until}\n", f"{until}\0", "9" * 5000, "inf", "0x7f"]
    moments += ["", f"{until[0]}_{until[1:]}", str(int(time.time()) - 10)]
    queries = [f"expires={quote(moment)}&signature={signature}" for moment in moments]
    signatures = [signature.upper(), signature[:-1], signature[:32], "", signature * 2, "é" * 64]
    signatures += [f" {signature}", f"{signature}\n", f"{signature}\0", "0" * 64, "[]"]
    queries += [f"expires={until}&signature={quote(text)}" for text in signatures]
    queries += [
        "",
        f"expires={until}",
        f"signature={signature}",
        f"expires={later}&{one.query}",
        f"{one.query}&expires={later}",
        f"{one.query}&signature={'0' * 64}",
        f"{one.query}&{one.query}",
        f"expires[]={until}&signature[]={signature}",
        other.query.replace("expires", "x"),
        # The same values, spelled in another way.
        f"signature={signature}&expires={until}",
        f"expires=%3{until[0]}{until[1:]}&signature={signature}",
        f"expires={until}&signature=%{ord(signature[0]):02x}{signature[1:]}",
        f"%65xpires={until}&signature={signature}",
        f"Expires={until}&Signature={signature}",
        *(f"{one.query}&", f"&{one.query}", f"{one.query}&x=1", f"{one.query};"),
        f"expires={until}&&signature={signature}",
    ]
    edit_id, name = edits[0]["id"], one.path.rpartition("/")[2]
    paths = [f"/v1/files/{edit_id}/{other_name}" for other_name in ("input", f"{name}%0A{until}")]
    paths += [f"/v1/files/{edit_id}%0A{name}/{until}", f"/v1/files/{edit_id.upper()}/{name}"]
    paths += [f"/v1/files/{edit_id}/%2e%2e/{name}", f"/v1/files/{edit_id}%2F{name}/{name}"]
    paths += [f"/v1/files/{edit_id}/{name}%00", f"/v1/files/{edit_id}/.%2F{name}"]
    paths += [f"/v1/files/{edit_id}/%6F{name[1:]}", f"/v1/%66iles/{edit_id}/{name}"]
    attempts = [f"{one.path}?{text}" for text in queries] + [f"{p}?{one.query}" for p in paths]
    attempts.append(f"{other.path.replace(edits[1]['id'], edit_id)}?{other.query}")
    for attempt in attempts:
        answer = client.get(attempt)
        tally.count("forged or stretched picture addresses", answer.status_code)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), attempt
    same = {client.get(f"{one.path}?{text}").content for text in queries}
    assert len(same) == 1
    assert client.get(good).status_code == 200


ELSEWHERE = [
    "..",
    "../secret",
    "../../../../etc/passwd",
    "..\\..\\secret",
    "/etc/passwd",
    "%2e%2e%2fsecret",
    "%252e%252e%252fsecret",
    "..%c0%afsecret",
    "．．／secret",  # full width
    "‥/secret",
    "....//secret",
    "edit_1/../../secret",
    "edit_1\0",
    "\0",
    "edit_1\n",
    "~root",
    "file:///etc/passwd",
    "C:\\secret",
    ".hidden",
    "",
    "/",
    ".",
    "*",
    "a" * 5000,
    "/".join("a" * 20),
    "é",
]


def test_no_id_in_a_request_is_a_path(
    client: TestClient,
    post: Post,
    tmp_path: Path,
    tally: Tally,
) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(b"the secret")
    before = sorted(tmp_path.rglob("*"))
    for text in ELSEWHERE:
        # Encode dots too: otherwise the client would resolve them itself.
        sealed, open_ = (quote(text, safe=safe).replace(".", "%2e") for safe in ("", "/%"))
        answers = [
            client.request(method, f"/v1/edits/{part}{rest}")
            for method, rest in (("GET", ""), ("DELETE", ""), ("GET", "/image"), ("GET", "/events"))
            for part in (sealed, open_)
            if text.strip("/")  # otherwise the URL is a different one
        ]
        answers += [
            client.get(f"/v1/files/{sealed}/{sealed}?expires=9"),
            client.get(f"/web/{sealed}"),
            client.get(f"/web/x/{open_}"),
            client.get(f"/docs/problems/{sealed}"),
            client.post("/v1/edits", json={"prompt": "x", "source": text}),
            client.post(
                "/v1/edits", json={"prompt": "x", "model": text, "image": {"base64": "eA=="}}
            ),
        ]
        for answer in answers:
            tally.count("path traversal", answer.status_code)
            assert 400 <= answer.status_code < 500, (text, answer.request.url)
            assert "the secret" not in answer.text and "root:" not in answer.text
    assert sorted(tmp_path.rglob("*")) == before


def test_names_that_a_caller_gives_are_no_paths(
    client: TestClient,
    make_image: Callable[..., bytes],
    tmp_path: Path,
    tally: Tally,
) -> None:
    for text in ("../../secret", "/etc/passwd", "..\\x", "a\0b", "x" * 3000):
        name = text.replace("\0", "%00")
        form: Any = {"data": {"prompt": "x"}, "files": {"image": (name, make_image())}}
        headers = {"X-Request-Id": name, "Idempotency-Key": name[:255]}
        answer = client.post("/v1/edits", **form, headers=headers)
        tally.count("path traversal", answer.status_code)
        assert answer.status_code == 202
        client.delete(f"/v1/edits/{answer.json()['id']}")
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert all(re.fullmatch(r"input|probe", name) for name in left)


def test_the_picture_store_takes_no_name_that_leads_elsewhere(tmp_path: Path, tally: Tally) -> None:
    (tmp_path / "secret").write_bytes(b"inside")
    files = ImageStorage((tmp_path / "pictures").as_uri())
    files.put("edit_1", "input", b"kept")
    uses: list[Callable[[str], object]] = [
        lambda text: files.put(text, "input", b"x"),
        lambda text: files.put("edit_1", text, b"x"),
        lambda text: files.delete_one(text, "input"),
        lambda text: files.delete_one("edit_1", text),
        files.delete,
        files.list,
    ]
    for text in ELSEWHERE:
        for use in uses:
            with pytest.raises(ValueError, match="Not a key of the image storage"):
                use(text)
            tally.count("path traversal", "refused")
        # Whatever a record says, nothing is stored under such a name.
        assert files.get(text, "input") is None and files.get("edit_1", text) is None
    assert (tmp_path / "secret").read_bytes() == b"inside"
    assert files.get("edit_1", "input") == b"kept"
    assert [p.name for p in (tmp_path / "pictures").rglob("*") if p.is_file()] == ["input"]


def test_deleting_an_edit_deletes_none_whose_id_begins_alike(tmp_path: Path) -> None:
    files = ImageStorage(tmp_path.as_uri())
    for edit_id in ("edit_1", "edit_10", "edit_1x", "_inversions/a/1", "_inversions/a/10"):
        files.put(edit_id, "input", b"x")
    files.delete("edit_1")
    files.delete("edit")
    files.delete("_inversions/a/1")
    assert files.get("edit_1", "input") is None
    assert files.get("_inversions/a/1", "input") is None
    for edit_id in ("edit_10", "edit_1x", "_inversions/a/10"):
        assert files.get(edit_id, "input") == b"x"
    assert files.list("edit_") == []
