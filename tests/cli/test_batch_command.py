"""`baret batch` on a server: the real application, with a test that plays its worker."""

import base64
import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from baret_client import BatchResult, Client

from cli.batch_images import name_images
from cli.errors import ExitCode
from core.schema import EditStatus
from tests.support.waiting import until

PROBLEM = {"code": "model_error", "title": "The edit failed", "status": 500, "type": "/x"}
FAILS = {"status": EditStatus.FAILED, "error": PROBLEM | {"detail": "Try again."}}
Worker = Callable[..., None]
NOW = "2026-11-02T09:14:07Z"
PHOTO = {"width": 1, "height": 1, "content_type": "image/png", "sha256": ""}


@pytest.fixture
def file(tmp_path: Path, make_image: Callable[..., bytes]) -> Path:
    """Return a file with two edits."""
    photo = f"data:image/png;base64,{base64.b64encode(make_image()).decode()}"
    bodies = [{"image": photo, "prompt": f"a {color} cat"} for color in ("black", "white")]
    lines = [{"custom_id": body["prompt"].split()[1], "body": body} for body in bodies]
    path = tmp_path / "cats.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_the_results_are_written_in_the_order_of_the_file(
    baret: Any, server: str, worker: Worker, file: Path
) -> None:
    worker({}, {})
    done = baret("batch", "cats.jsonl", "--server", server)
    assert (done.status, done.lines) == (0, ["cats-results.jsonl"]), done.err
    results = [json.loads(line) for line in Path("cats-results.jsonl").read_text().splitlines()]
    assert [one["custom_id"] for one in results] == ["black", "white"]
    with Client(server) as client:
        (made,) = client.batches.list()
        assert all(len(client.edits.image(one["edit"]["id"])) > 0 for one in results)
    assert done.err == f"{made.id}: 2 edits\n"  # not a terminal: no progress


def test_an_edit_that_failed_is_in_the_results_and_in_the_status(
    baret: Any, server: str, worker: Worker, file: Path
) -> None:
    worker({}, FAILS)
    done = baret("batch", "cats.jsonl", "-o", "new/done.jsonl", "-q", "--server", server)
    assert (done.status, done.lines) == (ExitCode.FAILED, ["new/done.jsonl"])
    assert done.err == "1 of 2 edits were not made\n"
    results = [json.loads(line) for line in Path("new/done.jsonl").read_text().splitlines()]
    codes = [one["error"] and one["error"]["code"] for one in results]
    assert codes.count(None) == codes.count("model_error") == 1


def test_the_edited_photos_are_downloaded_by_their_names(
    baret: Any, server: str, worker: Worker, file: Path
) -> None:
    worker({}, FAILS)
    done = baret("batch", "cats.jsonl", "--images", "colors", "-q", "--server", server)
    assert done.status == ExitCode.FAILED
    results = [json.loads(line) for line in Path("cats-results.jsonl").read_text().splitlines()]
    (made,) = [one for one in results if one["edit"] and one["error"] is None]
    (path,) = made["files"]
    assert path == f"colors/{made['custom_id']}.png"
    assert done.lines == ["cats-results.jsonl", path]
    with Client(server) as client:
        assert Path(path).read_bytes() == client.edits.image(made["edit"]["id"])
    assert [one["files"] for one in results if one["error"]] == [[]]
    assert [one.name for one in Path("colors").iterdir()] == [Path(path).name]


@pytest.mark.parametrize(
    ("custom_ids", "names"),
    [
        ((None, None), ["1", "2"]),
        (("cat", None), ["cat", "2"]),
        (("a/../b c", "ü"), ["a_.._b_c", "ü"]),
        (("a b", "A_B"), ["a_b", "A_B-2"]),
        (("..", "x" * 300), ["1", "x" * 100]),
    ],
)
def test_files_have_safe_names_of_their_own(
    custom_ids: tuple[str | None, ...], names: list[str]
) -> None:
    results = [_result(index, custom_id) for index, custom_id in enumerate(custom_ids)]
    images = name_images(results, Path("new"))
    assert [one.path for (one,) in images] == [Path("new") / f"{name}.jpg" for name in names]


def test_several_strengths_of_an_edit_are_files_of_their_own() -> None:
    (images,) = name_images([_result(0, "cat", 0.4, 1.0)], Path("new"))
    assert [one.path.name for one in images] == ["cat-0.4.jpg", "cat-1.jpg"]


def _result(index: int, custom_id: str | None, *strengths: float) -> BatchResult:
    outputs = [
        {"strength": strength, "url": "", "width": 1, "height": 1, "content_type": "image/jpeg"}
        | {"sha256": "", "bytes": 1}
        for strength in strengths or (1.0,)
    ]
    edit = dict.fromkeys(("prompt", "model", "params", "metadata", "urls", "artifacts", "error"))
    edit |= {"id": f"edit_{index}", "created_at": NOW, "status": "succeeded", "outputs": outputs}
    edit |= {"input": PHOTO, "metrics": {}, "warnings": []}
    return BatchResult.from_json(
        {"index": index, "custom_id": custom_id, "edit": edit, "error": None}
    )


def test_a_wrong_line_is_named_and_nothing_made(baret: Any, server: str, file: Path) -> None:
    file.write_text(file.read_text() + '{"image": "https://photos.example/a.png"}\n')
    done = baret("batch", "cats.jsonl", "--server", server)
    assert done.status == ExitCode.REFUSED
    assert done.err == "baret: 2.prompt: Line 3: This field is required.\n"
    assert not Path("cats-results.jsonl").exists()
    with Client(server) as client:
        assert list(client.batches.list()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_cancels_its_batch(
    baret: Any, server: str, file: Path, number: signal.Signals
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def stop() -> None:
        with Client(server) as client:
            until(lambda: len(list(client.edits.list(status="queued"))) == 2, "two edits to wait")
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=stop)
    thread.start()
    done = baret("batch", "cats.jsonl", "--server", server)
    thread.join()
    signal.signal(signal.SIGINT, before)
    assert done.status == ExitCode.STOPPED
    with Client(server) as client:
        (made,) = client.batches.list()
        until(lambda: client.batches.get(made).status == "canceled", "the batch to end")
    assert not Path("cats-results.jsonl").exists()
