"""A running edit: its progress, and what stops it."""

import base64
import io
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis
from PIL import Image

from core.errors import EditNotFound
from core.images.storage import ImageStorage
from core.schema import EditStatus, Record, Stage
from core.store import keys
from core.store.claims import Claim
from core.store.edits import EditStore
from housekeeper.maintenance import delete_images
from tests.support.watched_editor import WatchedEditor
from tests.worker.stored_images import WatchedFiles, image_names
from worker.runner import Runner

Events = Callable[[str], list[tuple[str, dict[str, Any]]]]
Submit = Callable[..., str]
Ended = Callable[[str], Record]
MakeRunner = Callable[..., Runner]

# Of an edit without `detail`, once it has been claimed.
EDITING = [stage for stage in Stage if stage not in (Stage.LOADING, Stage.DETAILING)]
LOST = {"code": "worker_lost"}


def test_stage_and_progress_reach_the_record_while_the_edit_runs(
    submit: Submit, ended: Ended, editor: WatchedEditor, store: EditStore
) -> None:
    edit_id = submit()
    stages = EDITING  # the editor is not called yet in `loading`
    seen: list[Record] = []
    for stage in stages:
        editor.during(stage, lambda: seen.append(store.get(edit_id)))
    ended(edit_id)
    assert [record.stage for record in seen] == stages
    assert {record.status for record in seen} == {EditStatus.RUNNING}
    assert all(before.progress < after.progress for before, after in pairwise(seen))
    assert seen[0].progress > 0
    assert seen[-1].progress < 1


def test_the_stream_tells_every_stage_in_order_then_the_end(
    submit: Submit, ended: Ended, events: Events
) -> None:
    edit_id = submit()
    ended(edit_id)
    stream = events(edit_id)
    assert [(kind, data["status"]) for kind, data in stream if kind != "progress"] == [
        ("status", "queued"),
        ("status", "running"),
        ("done", "succeeded"),
    ]
    assert stream[-1][0] == "done"
    progress = [data for kind, data in stream if kind == "progress"]
    stages = list(dict.fromkeys(data["stage"] for data in progress))
    # The edit is in `loading` from its claim on, as the status event says.
    assert [stage for stage in stages if stage != "loading"] == EDITING
    shares = [data["progress"] for data in progress]
    assert shares == sorted(shares)


def test_a_running_edit_is_canceled_within_one_unet_call(
    submit: Submit,
    ended: Ended,
    editor: WatchedEditor,
    store: EditStore,
    files: ImageStorage,
    events: Events,
) -> None:
    edit_id = submit()
    editor.during(5, lambda: store.cancel(edit_id, caller="local"))
    record = ended(edit_id)
    assert (record.status, record.result, record.error) == (EditStatus.CANCELED, None, None)
    assert len(editor.steps) == 5  # the call in progress was the last
    assert image_names(files, edit_id, attempt=1) == []
    assert events(edit_id)[-1] == ("done", {"status": "canceled"})


def test_a_leaving_worker_hands_its_edit_back_uncounted(
    submit: Submit,
    ended: Ended,
    runner: Runner,
    make_runner: MakeRunner,
    editor: WatchedEditor,
    store: EditStore,
    notified: list[str],
) -> None:
    edit_id = submit()
    editor.during(5, runner.stop)
    record = ended(edit_id)
    assert (record.status, record.attempt, record.progress) == (EditStatus.QUEUED, 0, 0)
    assert notified == [edit_id]
    assert len(editor.steps) == 5
    assert runner.run_next() is None  # it claims nothing more

    assert make_runner(editor).run_next() == edit_id
    record = store.get(edit_id)
    assert (record.status, record.attempt) == (EditStatus.SUCCEEDED, 1)


def test_an_attempt_whose_lease_went_to_another_publishes_nothing(
    submit: Submit,
    ended: Ended,
    editor: WatchedEditor,
    store: EditStore,
    files: ImageStorage,
    events: Events,
    let_lease_run_out: Callable[[str], None],
) -> None:
    edit_id = submit()
    other: list[Claim | None] = []

    def lose() -> None:
        let_lease_run_out(edit_id)
        store.reclaim_expired_leases(LOST)
        other.append(store.claim("zoo"))

    editor.during(5, lose)
    record = ended(edit_id)
    assert other == [Claim(edit_id, 2)]
    assert (record.status, record.attempt, record.result) == (EditStatus.RUNNING, 2, None)
    assert len(editor.steps) == 5
    assert "done" not in [kind for kind, _ in events(edit_id)]
    assert image_names(files, edit_id, attempt=1) == []


def test_an_attempt_that_loses_its_lease_after_its_last_report_publishes_nothing(
    submit: Submit,
    make_runner: MakeRunner,
    editor: WatchedEditor,
    store: EditStore,
    events: Events,
    tmp_path: Path,
    let_lease_run_out: Callable[[str], None],
) -> None:
    edit_id = submit()

    def lose() -> None:
        let_lease_run_out(edit_id)
        store.reclaim_expired_leases(LOST)
        assert store.claim("zoo") == Claim(edit_id, 2)

    files = WatchedFiles((tmp_path / "pictures").as_uri(), before_put=lose)
    assert make_runner(editor, files=files).run_next() == edit_id
    record = store.get(edit_id)
    assert (record.status, record.attempt, record.result) == (EditStatus.RUNNING, 2, None)
    assert "done" not in [kind for kind, _ in events(edit_id)]


def test_an_edit_that_runs_too_long_fails(
    submit: Submit, make_runner: MakeRunner, editor: WatchedEditor, store: EditStore
) -> None:
    edit_id = submit()
    editor.during(5, lambda: time.sleep(1.1))
    make_runner(editor, timeout=1).run_next()
    record = store.get(edit_id)
    assert record.status is EditStatus.FAILED
    assert record.error is not None
    assert record.error["code"] == "timeout"
    assert len(editor.steps) <= 5  # fewer if the machine is slow


def test_previews_are_told_while_the_edit_is_made_where_asked_for(
    submit: Submit, ended: Ended, events: Events
) -> None:
    edit_id = submit(previews=True, strength=[0.2, 0.9], num_inference_steps=12)
    ended(edit_id)
    stream = events(edit_id)
    previews = [data for kind, data in stream if kind == "preview"]
    # After 5 and 10 of 12 steps, of each output.
    assert [data["strength"] for data in previews] == [0.2, 0.2, 0.9, 0.9]
    shares = [data["progress"] for data in previews]
    assert shares == sorted(shares) and 0 < shares[0] < shares[-1] < 1
    for data in previews:
        head, _, text = data["image"].partition(",")
        assert head == "data:image/webp;base64"
        image = Image.open(io.BytesIO(base64.b64decode(text)))
        assert (image.format, image.size) == ("WEBP", (64, 64))
        assert len(data["image"]) < 5000
    assert "preview" not in [kind for kind, _ in events(ended(submit()).submission.id)]


def test_an_edit_deleted_while_it_runs_stops_within_one_unet_call_and_leaves_nothing(
    submit: Submit,
    runner: Runner,
    editor: WatchedEditor,
    store: EditStore,
    tmp_path: Path,
) -> None:
    edit_id = submit()
    files = ImageStorage((tmp_path / "pictures").as_uri())

    def delete() -> None:
        for prefix in store.delete(edit_id, caller="local"):
            files.delete(prefix)

    editor.during(5, delete)
    assert runner.run_next() == edit_id
    assert len(editor.steps) == 5
    with pytest.raises(EditNotFound):
        store.get(edit_id)
    assert list((tmp_path / "pictures").rglob("*")) == []
    assert runner.run_next() is None


def test_an_edit_deleted_while_its_pictures_are_written_leaves_nothing(
    submit: Submit,
    make_runner: MakeRunner,
    editor: WatchedEditor,
    store: EditStore,
    tmp_path: Path,
    redis_url: str,
) -> None:
    edit_id = submit(artifacts=True)
    folder = tmp_path / "pictures"
    deleted: list[str] = []

    def delete() -> None:
        if not deleted:
            store.delete(edit_id, caller="local")
            ImageStorage(folder.as_uri()).delete(edit_id)
            deleted.append(edit_id)

    files = WatchedFiles(folder.as_uri(), before_put=delete)
    assert make_runner(editor, files=files).run_next() == edit_id
    assert deleted == [edit_id]
    assert not (folder / edit_id).exists()
    # The housekeeper deletes what may have been written since, once no worker can write.
    with redis.Redis.from_url(redis_url) as client:
        due = client.zrange(keys.DELETIONS, 0, -1)
        client.zadd(keys.DELETIONS, dict.fromkeys(due, 1))
    delete_images(store, ImageStorage(folder.as_uri()))
    assert list(folder.rglob("*")) == []
