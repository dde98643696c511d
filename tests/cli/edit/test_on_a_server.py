"""`baret edit` on a server: the real application, with a test that plays its worker."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from baret_client import Client
from PIL import Image

from cli.errors import ExitCode
from core.schema import EditStatus
from tests.support.api_app import serving

TEXT = "a dog that sits"
PROBLEM = {"code": "model_error", "title": "The edit failed", "status": 500, "type": "/x"}
FAILS = {"status": EditStatus.FAILED, "error": PROBLEM | {"detail": "Try again."}}
Worker = Callable[..., None]


def test_the_image_is_written_and_its_path_printed(
    baret: Any, server: str, worker: Worker, photo: Path
) -> None:
    worker({})
    done = baret("edit", "dog.png", TEXT, "-o", "new/after.webp", "--server", server)
    assert (done.status, done.lines) == (0, ["new/after.webp"]), done.err
    assert done.err == ""  # not a terminal: no progress
    with Client(server) as client:
        (edit,) = client.edits.list()
    assert (edit.prompt, edit.params["output_format"]) == (TEXT, "webp")
    assert Path("new/after.webp").read_bytes() == edit_image(server, edit.id)


def edit_image(server: str, edit_id: str) -> bytes:
    with Client(server) as client:
        return client.edits.image(edit_id)


def test_options_and_parameters_reach_the_service(
    baret: Any, server: str, worker: Worker, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BARET_SERVER", server)
    worker({})
    options = ["--strength", "0.4,0.8", "--preset", "style", "--seed", "7", "--model", "zoo"]
    more = ["-p", "num_inference_steps=30", "-p", "guidance_scale=2.5", "--json"]
    done = baret("edit", "dog.png", TEXT, *options, *more)
    assert done.status == 0, done.err
    (one,) = done.objects
    assert one["files"] == ["dog-edited-0.4.png", "dog-edited-0.8.png"]
    assert all(Path(name).is_file() for name in one["files"])
    params = one["edit"]["params"]
    assert (params["preset"], params["seed"], params["strength"]) == ("style", 7, [0.4, 0.8])
    assert (params["num_inference_steps"], params["guidance_scale"]) == (30, 2.5)


def test_an_image_goes_through_pipes(
    baret: Any, server: str, worker: Worker, make_image: Callable[..., bytes]
) -> None:
    worker({})
    done = baret("edit", "-", TEXT, "--server", server, stdin=make_image())
    assert done.status == 0, done.err
    assert Image.open(io.BytesIO(done.out)).size == (64, 64)


def test_a_strip_shows_before_and_after(
    baret: Any, server: str, worker: Worker, photo: Path
) -> None:
    worker({})
    done = baret("edit", "dog.png", TEXT, "--compare", "--json", "--server", server)
    strip = Image.open(done.objects[0]["compare"])
    assert strip.width > 2 * strip.height * 0.7  # two images side by side
    colors = strip.convert("RGB").getcolors(2**20) or []
    assert len(colors) > 100


def test_what_the_service_warns_of_is_passed_on(
    baret: Any, server: str, worker: Worker, photo: Path
) -> None:
    warning = {"code": "unknown_words", "detail": "Unknown: “dog”.", "words": ["dog"]}
    from core.schema import EditWarning

    worker({"warnings": [EditWarning.model_validate(warning)]})
    done = baret("edit", "dog.png", TEXT, "--server", server)
    assert "dog.png: Unknown: “dog”." in done.err
    worker({"warnings": [EditWarning.model_validate(warning)]})
    assert baret("edit", "dog.png", TEXT, "--quiet", "--server", server).err == ""


def test_an_edit_that_fails_says_why(baret: Any, server: str, worker: Worker, photo: Path) -> None:
    worker(FAILS)
    done = baret("edit", "dog.png", TEXT, "--json", "--server", server)
    assert done.status == ExitCode.FAILED
    assert done.objects == [
        {"photo": "dog.png", "files": [], "error": "The edit failed. Try again."}
    ]
    assert "The edit failed. Try again." in done.err
    assert not Path("dog-edited.png").exists()


def test_a_refusal_has_the_code_of_its_kind(
    baret: Any,
    server: str,
    photo: Path,
    make_key: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def status(*arguments: str) -> tuple[int, str]:
        done = baret("edit", *arguments, "--server", server)
        return done.status, done.err

    code, text = status("dog.png", TEXT, "--strength", "2")
    assert (code, "strength: " in text) == (ExitCode.REFUSED, True)
    Path("text.png").write_text("this is a text")
    code, text = status("text.png", TEXT)
    assert (code, "JPEG, PNG" in text) == (ExitCode.BAD_PHOTO, True)
    Image.new("RGB", (8, 8)).save("small.png")
    code, text = status("small.png", TEXT)
    assert (code, "32" in text) == (ExitCode.BAD_PHOTO, True)
    code, text = status("dog.png", TEXT, "--model", "other")
    assert code == ExitCode.REFUSED
    make_key()
    code, text = status("dog.png", TEXT)
    assert (code, "put yours into the variable BARET_API_KEY" in text) == (ExitCode.REFUSED, True)
    monkeypatch.setenv("BARET_API_KEY", "baret_sk_mistyped")
    code, text = status("dog.png", TEXT)
    assert (code, "was refused" in text, "mistyped" in text) == (ExitCode.REFUSED, True, False)


def test_a_key_is_taken_from_its_variable(
    baret: Any,
    server: str,
    worker: Worker,
    photo: Path,
    make_key: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    headers, _ = make_key()
    key = headers["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("BARET_API_KEY", key)
    worker({}, key=key)
    done = baret("edit", "dog.png", TEXT, "--server", server)
    assert done.status == 0, done.err
    assert key not in done.err


def test_a_server_that_is_away_or_without_workers_is_named(
    baret: Any, photo: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baret_client.flows.FIRST_PAUSE", 0.01)  # seconds before another try
    done = baret("edit", "dog.png", TEXT, "--server", "http://127.0.0.1:1")
    assert done.status == ExitCode.SERVICE_AWAY
    assert "http://127.0.0.1:1 does not answer" in done.err and "`baret up`" in done.err
    done = baret("edit", "dog.png", TEXT, "--server", "127.0.0.1")
    assert done.status == ExitCode.REFUSED
    assert "https://…" in done.err


def test_a_folder_is_edited_and_a_second_run_makes_what_is_missing(
    baret: Any, server: str, worker: Worker, folder: Path
) -> None:
    run = ("edit", "holiday", TEXT, "-o", "new/", "--server", server)
    worker({}, {})
    first = baret(*run)
    assert first.status == 0, first.err
    assert sorted(first.lines) == ["new/a.png", "new/sub/b.png"]
    assert "2 edited." in first.err
    again = baret(*run)
    assert (again.status, again.lines) == (0, [])
    assert "2 edited before" in again.err
    Path("new/a.png").unlink()
    worker({})
    assert baret(*run).lines == ["new/a.png"]
    worker({}, {})
    assert len(baret(*run, "--again").lines) == 2
    # Another text is another edit.
    worker({}, {})
    assert len(baret("edit", "holiday", "a dog", "-o", "new/", "--server", server).lines) == 2


def test_one_failure_does_not_stop_the_others_and_is_tried_again(
    baret: Any, server: str, worker: Worker, folder: Path
) -> None:
    run = ("edit", "holiday", TEXT, "-o", "new/", "--json", "--server", server)
    worker(FAILS, {})
    done = baret(*run, "--jobs", "1")
    assert done.status == ExitCode.FAILED
    assert "1 edited, 1 failed." in done.err
    assert ["error" in one for one in done.objects] == [True, False]
    lines = [json.loads(line) for line in Path("new/manifest.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["failed", "succeeded"]
    worker({})
    done = baret(*run)
    assert done.status == 0
    assert "1 edited, 1 edited before" in done.err


def test_what_every_photo_would_meet_ends_the_run(
    baret: Any, server: str, folder: Path, make_key: Callable[..., Any]
) -> None:
    make_key()
    done = baret("edit", "holiday", TEXT, "-o", "new/", "--server", server)
    assert done.status == ExitCode.REFUSED
    assert done.err.count("BARET_API_KEY") == 1


def test_models_are_listed(baret: Any, server: str) -> None:
    done = baret("models", "--server", server)
    head, row = done.lines
    assert head.split() == ["id", "state", "size", "licence", "presets"]
    assert row.split()[:4] == ["zoo", "*", "ready", "64×64"]
    assert baret("models", "--server", server, "--json").objects[0]["id"] == "zoo"


def test_a_server_is_checked_from_outside(
    baret: Any, server: str, settings: Any, store: Any, model: Any, make_key: Callable[..., Any]
) -> None:
    done = baret("doctor", "--server", server)
    assert done.status == 0, done.out
    assert [line.partition(":")[0] for line in done.lines] == ["✓ server", "✓ clock", "✓ models"]
    store.withdraw("worker-1", model)
    done = baret("doctor", "--server", server, "--json")
    assert done.status == 0  # edits are accepted, and wait
    assert done.objects[-1]["state"] == "note" and "(sleeping)" in done.objects[-1]["detail"]
    make_key()
    assert baret("doctor", "--server", server, "--json").objects[-1]["name"] == "API key"
    done = baret("doctor", "--server", "http://127.0.0.1:1")
    assert (done.status, "does not answer" in done.lines[0]) == (1, True)


def test_a_service_without_a_worker_takes_no_edits(
    baret: Any, photo: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baret_client.flows.MAX_PAUSE", 0.01)
    with serving(settings) as address:
        done = baret("edit", "dog.png", TEXT, "--server", address)
        assert done.status == ExitCode.SERVICE_AWAY
        assert "start one" in done.err
        done = baret("models", "--server", address)
        assert "baret worker" in done.err
