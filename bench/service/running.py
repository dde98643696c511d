"""The sample images, and one edit through HTTP as any client would make it."""

from pathlib import Path
from typing import Any

import httpx

SAMPLES = Path(__file__).parents[2] / "zoo" / "samples"


def sample_images() -> list[Path]:
    """Return the sample images to edit, without their exact answers."""
    return sorted(SAMPLES.glob("*[a-z].png"))


def edit_through_http(
    client: httpx.Client, image: Path, prompt: str, **params: Any
) -> tuple[dict[str, Any], bytes | None]:
    """Submit an image and wait for the edit to end.

    Args:
        client: with the service's base URL.
        image: the file to send.
        prompt: the target text.
        params: parameters of docs/api.md, as form fields.

    Returns:
        The edit, and the bytes of its first output if it succeeded.
    """
    response = client.post(
        "/v1/edits",
        files={"image": (image.name, image.read_bytes())},
        data={"prompt": prompt} | {name: str(value) for name, value in params.items()},
    )
    response.raise_for_status()
    edit: dict[str, Any] = response.json()
    while edit["status"] in ("queued", "running"):
        edit = client.get(f"/v1/edits/{edit['id']}", params={"wait": 30}).json()
    if edit["status"] != "succeeded":
        return edit, None
    return edit, client.get(edit["outputs"][0]["url"]).raise_for_status().content
