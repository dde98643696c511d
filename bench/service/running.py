"""One edit through HTTP, as any client would make it."""

from pathlib import Path
from typing import Any

import httpx


def edit_through_http(
    client: httpx.Client, image: Path, prompt: str, **params: Any
) -> tuple[dict[str, Any], bytes | None]:
    """Submit a picture and see the edit to its end.

    Args:
        client: with the service's base URL.
        picture: the file to send.
        prompt: what the edited picture should show.
        params: parameters of docs/api.md, as form fields.

    Returns:
        The edit, and the first output's bytes where it succeeded.
    """
    answer = client.post(
        "/v1/edits",
        files={"image": (image.name, image.read_bytes())},
        data={"prompt": prompt} | {name: str(value) for name, value in params.items()},
    )
    answer.raise_for_status()
    edit: dict[str, Any] = answer.json()
    while edit["status"] in ("queued", "running"):
        edit = client.get(f"/v1/edits/{edit['id']}", params={"wait": 30}).json()
    if edit["status"] != "succeeded":
        return edit, None
    return edit, client.get(edit["outputs"][0]["url"]).raise_for_status().content
