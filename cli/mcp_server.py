"""The MCP server behind `baret mcp`: one tool that edits a photo, and results as resources.

A thin layer over the Python client, which makes the edits on a service.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import anyio
from baret_client import AsyncClient, AsyncEdit, ClientError
from baret_client.uploads import ADDRESSES
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ResourceError, ToolError
from pydantic import Field

MAX_INLINE_BYTES = 1024 * 1024  # of an image in a tool's result; larger ones are read by address

INSTRUCTIONS = (
    "Edits a photo so that it shows what a sentence says. The sentence is the caption of the "
    "result, not an instruction: 'a dog sitting on a beach', not 'make the dog sit'. No mask is "
    "needed; what the sentence does not change is kept."
)


@asynccontextmanager
async def mcp_server(
    server: str | None, *, reads_files: bool, log_level: Any = "WARNING"
) -> AsyncIterator[MCPServer[Any]]:
    """Make the server for one service, whose connections end with the block.

    Args:
        server: the service's address; None for this machine's. Its key is in `BARET_API_KEY`.
        reads_files: whether a photo may be named by its path: only if the one who calls the tool
            may read this machine's files.
        log_level: of what goes to standard error.
    """
    async with AsyncClient(server) as client:
        mcp: MCPServer[Any] = MCPServer("baret", instructions=INSTRUCTIONS, log_level=log_level)
        _add_tool(mcp, client, reads_files=reads_files)
        _add_resources(mcp, client)
        yield mcp


def _add_tool(mcp: MCPServer[Any], client: AsyncClient, *, reads_files: bool) -> None:
    forms = "an https:// address or a data: URL" + (", or a file's path" if reads_files else "")

    @mcp.tool(title="Edit a photo", structured_output=False)
    async def edit_photo(
        context: Context[Any],
        image: Annotated[str, Field(description=f"The photo: {forms}.")],
        prompt: Annotated[
            str, Field(description="What the edited photo should show, as a caption of all of it.")
        ],
        strength: Annotated[
            float | None,
            Field(
                ge=0, le=1, description="How far to go: 0 keeps the photo, 1 follows the prompt."
            ),
        ] = None,
        preset: Annotated[
            str | None,
            Field(description="auto, non_rigid (postures), object, style or background."),
        ] = None,
        seed: Annotated[int | None, Field(ge=0, description="Another seed, another edit.")] = None,
    ) -> list[Any]:
        """Edit a photo so that it shows what a sentence says. Takes seconds to minutes."""
        if not image.startswith(ADDRESSES) and not reads_files:
            raise ToolError(f"The image must be {forms}.")
        given = {"strength": strength, "preset": preset, "seed": seed}
        params: Any = {name: value for name, value in given.items() if value is not None}
        with _tool_errors():
            photo = await asyncio.to_thread(_photo, image)
            with anyio.CancelScope(shield=True):  # an edit that is made must be known, to cancel it
                edit = await client.edits.create(photo, prompt=prompt, **params)
            edit = await _ended(edit, context)
            return await _result(edit)


def _photo(image: str) -> str | bytes:
    """Return what the client sends: an address as it is, a file's bytes."""
    return image if image.startswith(ADDRESSES) else Path(image).expanduser().read_bytes()


async def _ended(edit: AsyncEdit, context: Context[Any]) -> AsyncEdit:
    """Wait for an edit and report its progress; cancel it if the caller cancels the call."""
    try:
        async for event in edit.stream():
            if event.type == "progress":
                await context.report_progress(event.data["progress"], 1.0, event.data["stage"])
        return await edit.wait()
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True), suppress(ClientError):
            await edit.cancel()
        raise


async def _result(edit: AsyncEdit) -> list[Any]:
    """Return an edit's image, if it is small enough, and where it and its resource are."""
    output = edit.outputs[0]
    about = {
        "edit": edit.id,
        "url": output.url,
        "resource": f"baret://edits/{edit.id}/image",
        "size": f"{output.width}x{output.height}",
        "warnings": [one.detail for one in edit.warnings],
    }
    text = json.dumps(about, ensure_ascii=False)
    if output.bytes > MAX_INLINE_BYTES:
        return [text]
    form = output.content_type.removeprefix("image/")
    return [Image(data=await edit.image(), format=form), text]


def _add_resources(mcp: MCPServer[Any], client: AsyncClient) -> None:
    @mcp.resource("baret://edits/{edit_id}", mime_type="application/json")
    async def edit(edit_id: str) -> str:
        """Return an edit: its status, parameters, outputs and metrics."""
        with _resource_errors():
            return json.dumps((await client.edits.get(edit_id)).json)

    @mcp.resource("baret://edits/{edit_id}/image", mime_type="image/png")
    async def image(edit_id: str) -> bytes:
        """Return the first edited image of an edit."""
        with _resource_errors():
            return await client.edits.image(edit_id, format="png")


@contextmanager
def _tool_errors() -> Iterator[None]:
    try:
        yield
    except (ClientError, OSError, ValueError) as error:
        raise ToolError(str(error)) from error


@contextmanager
def _resource_errors() -> Iterator[None]:
    try:
        yield
    except (ClientError, ValueError) as error:
        raise ResourceError(str(error)) from error
