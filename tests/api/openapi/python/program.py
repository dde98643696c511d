"""A client as a user would write it with the generated package: upload, wait, download.

Prints the download's size and hash: `python program.py ADDRESS PHOTO`.
"""

import hashlib
import sys
from io import BytesIO
from pathlib import Path

from baret_client import Client
from baret_client.api.edits import create_edit, get_edit, get_image
from baret_client.api.files import get_file
from baret_client.models import CreateEditFilesBody, CreateEditRequest, Edit, EditStatus, Problem
from baret_client.types import File


def main(address: str, photo: Path) -> None:
    client = Client(base_url=address)
    image = File(BytesIO(photo.read_bytes()), file_name=photo.name, mime_type="image/png")
    form = CreateEditFilesBody(prompt="a cat that sits", image=image, seed=7)
    edit = create_edit.sync(client=client, body=form)
    assert isinstance(edit, Edit), edit
    while edit.status in (EditStatus.QUEUED, EditStatus.RUNNING):
        answer = get_edit.sync(edit.id, client=client, wait=20)
        assert isinstance(answer, Edit), answer
        edit = answer
    assert edit.status is EditStatus.SUCCEEDED
    assert edit.params.seed == 7
    download = get_image.sync(edit.id, client=client)
    assert isinstance(download, File), download
    data = download.payload.read()
    # The same image at its signed address.
    path, _, query = edit.outputs[0].url.removeprefix(address).partition("?")
    signed = dict(part.split("=") for part in query.split("&"))
    again = get_file.sync(edit.id, path.rpartition("/")[2], client=client, **signed)
    assert isinstance(again, File), again
    assert again.payload.read() == data
    # A second edit, as JSON, of the first one's photo.
    second = create_edit.sync(
        client=client, body=CreateEditRequest(prompt="a dog", source=edit.id, preset=None)
    )
    assert isinstance(second, Edit), second
    refused = create_edit.sync(client=client, body=CreateEditRequest(prompt="..."))
    assert isinstance(refused, Problem), refused
    print(len(data), hashlib.sha256(data).hexdigest(), refused.code)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
