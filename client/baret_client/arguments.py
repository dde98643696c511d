"""What `edits` and `async_edits` share: arguments as flows take them."""

from collections.abc import Mapping
from typing import Any, Literal

from baret_client import flows
from baret_client.flows import Flow, Settings
from baret_client.schema import EditData, EditParams, Json, SignedUpload, Status
from baret_client.uploads import ImageSource, read_upload

Format = Literal["png", "webp", "jpeg"]
Identified = str | EditData  # an edit or its id
Uploaded = str | SignedUpload  # an upload or its id


def id_of(one: Identified | Uploaded) -> str:
    """Return the id of an edit or an upload."""
    return one if isinstance(one, str) else one.id


def creation(
    settings: Settings,
    image: ImageSource | None,
    source: Identified | None,
    sent: Uploaded | None,
    fields: Mapping[str, Any],
    params: EditParams,
    idempotency_key: str | None,
) -> Flow[Json]:
    """Return the flow that creates an edit; the arguments are those of `Edits.create`."""
    ids = [None if one is None else id_of(one) for one in (source, sent)]
    upload = read_upload(image, *ids)
    return flows.create(settings, upload, {**fields, **params}, idempotency_key)


def page_query(
    status: Status | None, metadata: Mapping[str, str] | None, user: str | None
) -> dict[str, Any]:
    """Return the query of the first page of a list."""
    chosen = {f"metadata[{name}]": value for name, value in (metadata or {}).items()}
    given = {"limit": 100, "status": status, "user": user}
    return chosen | {name: value for name, value in given.items() if value is not None}
