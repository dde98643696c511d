"""One edit through the public API, as any client would make it."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from core.telemetry.logs import get_logger
from deploy.local.errors import SampleFailed
from deploy.local.supervisor import Pause

WAIT_SECONDS = 3

_log = get_logger("deploy")


@dataclass(frozen=True)
class Sample:
    """A picture and what to make of it."""

    image: Path
    caption: str
    prompt: str


@dataclass(frozen=True)
class Outcome:
    """What the first edit gave."""

    before: Path
    after: Path
    seconds: float  # from the request to the last byte
    warnings: tuple[str, ...] = ()  # why the picture may not show what was asked


def first_sample(folder: Path | None) -> Sample:
    """The first of the samples that come with the bundled model.

    Raises:
        SampleFailed: there are none, or the model in use is another one (`folder` is None).
    """
    if folder is None:
        raise SampleFailed("No sample edit: the samples are of the bundled model's world only.")
    index = folder / "index.json"
    if not index.is_file():
        raise SampleFailed(f"No sample edit: {index} is missing from this checkout.")
    first = json.loads(index.read_text())[0]
    return Sample(folder / first["file"], first["caption"], first["prompt"])


def run_sample(client: httpx.Client, sample: Sample, *, folder: Path, pause: Pause) -> Outcome:
    """Send the picture, wait for the edit, fetch the result into `folder`.

    Raises:
        SampleFailed: with what the service answered.
        Stopped: from `pause`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before, after = folder / "before.png", folder / "after.png"
    before.write_bytes(sample.image.read_bytes())
    started = time.monotonic()
    try:
        edit = _finished(client, _submit(client, sample), pause=pause)
        after.write_bytes(_image(client, edit))
    except httpx.HTTPError as error:
        raise SampleFailed(f"The API did not answer the sample edit: {error}") from error
    warnings = tuple(warning["detail"] for warning in edit["warnings"])
    return Outcome(before, after, time.monotonic() - started, warnings)


def _submit(client: httpx.Client, sample: Sample) -> str:
    answer = client.post(
        "/v1/edits",
        files={"image": (sample.image.name, sample.image.read_bytes())},
        data={"prompt": sample.prompt},
    )
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise SampleFailed("No sample edit: keys were made, and the stack itself has none.")
    if answer.status_code != httpx.codes.ACCEPTED:
        raise SampleFailed(f"The API refused the sample edit: {answer.status_code} {answer.text}")
    return str(answer.json()["id"])


def _finished(client: httpx.Client, edit_id: str, *, pause: Pause) -> dict[str, Any]:
    """Wait until the edit is finished, with a line every few seconds."""
    while True:
        # Short waits: between two of them the children are tended and signals are heard.
        answer = client.get(f"/v1/edits/{edit_id}", params={"wait": WAIT_SECONDS})
        edit: dict[str, Any] = answer.raise_for_status().json()
        if edit["status"] == "succeeded":
            return edit
        if edit["status"] in ("failed", "canceled"):
            raise SampleFailed(f"The sample edit {edit['status']}: {json.dumps(edit['error'])}")
        progress = f"{edit['progress']:.0%}"
        _log.info("sample edit", status=edit["status"], stage=edit["stage"], progress=progress)
        pause(0.1)


def _image(client: httpx.Client, edit: dict[str, Any]) -> bytes:
    return client.get(edit["outputs"][0]["url"]).raise_for_status().content
