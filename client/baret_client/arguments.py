"""What `edits` and `async_edits` share: arguments as flows take them."""

from collections.abc import Mapping
from typing import Any, Literal

from baret_client import flows
from baret_client.flows import Flow, Settings
from baret_client.schema import EditData, EditParams, Json, Status
from baret_client.uploads import ImageSource, read_upload

Format = Literal["png", "webp", "jpeg"]
Identified = str | EditData  # an edit or its id


def id_of(edit: Identified) -> str:
    """Return an edit's id."""
    return edit if isinstance(edit, str) else edit.id


def creation(
    settings: Settings,
    image: ImageSource | None,
    source: Identified | None,
    fields: Mapping[str, Any],
    params: EditParams,
    idempotency_key: str | None,
) -> Flow[Json]:
    """Return the flow that creates an edit; the arguments are those of `Edits.create`."""
    upload = read_upload(image, None if source is None else id_of(source))
    return flows.create(settings, upload, {**fields, **params}, idempotency_key)


def page_query(
    status: Status | None, metadata: Mapping[str, str] | None, user: str | None
) -> dict[str, Any]:
    """Return the query of the first page of a list."""
    chosen = {f"metadata[{name}]": value for name, value in (metadata or {}).items()}
    given = {"limit": 100, "status": status, "user": user}
    return chosen | {name: value for name, value in given.items() if value is not None}
