"""The sample edit: one edit through the public API, as any client would make it."""

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
    """An image and a prompt to edit it with."""

    image: Path
    caption: str
    prompt: str


@dataclass(frozen=True)
class SampleResult:
    """The files of a finished sample edit."""

    before: Path
    after: Path
    seconds: float  # from the request to the last byte
    warnings: tuple[str, ...] = ()  # why the result may not match the prompt


def first_sample(folder: Path | None) -> Sample:
    """Return the first of the samples that come with the bundled model.

    Raises:
        SampleFailed: there are none, or another model is in use (`folder` is None).
    """
    if folder is None:
        raise SampleFailed("No sample edit: the samples are for the bundled model only.")
    index = folder / "index.json"
    if not index.is_file():
        raise SampleFailed(f"No sample edit: {index} is missing from this checkout.")
    first = json.loads(index.read_text())[0]
    return Sample(folder / first["file"], first["caption"], first["prompt"])


def run_sample(client: httpx.Client, sample: Sample, *, folder: Path, pause: Pause) -> SampleResult:
    """Send the image, wait for the edit, and download the result into `folder`.

    Raises:
        SampleFailed: the service refused or failed the edit.
        Stopped: `pause` raises it when the stack is to stop.
    """
    folder.mkdir(parents=True, exist_ok=True)
    before, after = folder / "before.png", folder / "after.png"
    before.write_bytes(sample.image.read_bytes())
    started = time.monotonic()
    try:
        edit = _wait_until_finished(client, _submit(client, sample), pause=pause)
        after.write_bytes(_download(client, edit))
    except httpx.HTTPError as error:
        raise SampleFailed(f"The API did not answer the sample edit: {error}") from error
    warnings = tuple(warning["detail"] for warning in edit["warnings"])
    return SampleResult(before, after, time.monotonic() - started, warnings)


def _submit(client: httpx.Client, sample: Sample) -> str:
    response = client.post(
        "/v1/edits",
        files={"image": (sample.image.name, sample.image.read_bytes())},
        data={"prompt": sample.prompt},
    )
    if response.status_code == httpx.codes.UNAUTHORIZED:
        raise SampleFailed(
            "No sample edit: this service requires an API key, and the stack has none."
        )
    if response.status_code != httpx.codes.ACCEPTED:
        raise SampleFailed(
            f"The API refused the sample edit: {response.status_code} {response.text}"
        )
    return str(response.json()["id"])


def _wait_until_finished(client: httpx.Client, edit_id: str, *, pause: Pause) -> dict[str, Any]:
    """Wait until the edit is finished, and log its progress every few seconds."""
    while True:
        # Short waits: in between, processes are supervised and signals handled.
        response = client.get(f"/v1/edits/{edit_id}", params={"wait": WAIT_SECONDS})
        edit: dict[str, Any] = response.raise_for_status().json()
        if edit["status"] == "succeeded":
            return edit
        if edit["status"] in ("failed", "canceled"):
            raise SampleFailed(f"The sample edit {edit['status']}: {json.dumps(edit['error'])}")
        progress = f"{edit['progress']:.0%}"
        _log.info("sample edit", status=edit["status"], stage=edit["stage"], progress=progress)
        pause(0.1)


def _download(client: httpx.Client, edit: dict[str, Any]) -> bytes:
    return client.get(edit["outputs"][0]["url"]).raise_for_status().content
