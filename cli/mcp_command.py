"""`baret mcp`: the service as a tool for assistants that speak the Model Context Protocol."""

import asyncio
import importlib.util
from typing import Annotated

import typer

from cli.errors import ModelUnusable


def mcp(
    server: Annotated[
        str | None,
        typer.Option(
            metavar="URL", envvar="BARET_SERVER", help="The service; default: this machine's."
        ),
    ] = None,
    http: Annotated[
        bool, typer.Option("--http", help="Serve streamable HTTP at /mcp instead of stdio.")
    ] = False,
    host: Annotated[str, typer.Option(help="With --http: the address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="With --http: the port.")] = 8010,
) -> None:
    """Serve the tool edit_photo to assistants (Model Context Protocol).

    The key is in BARET_API_KEY. Over stdio a photo may also be a file of this machine; over HTTP
    it may not, and everyone who reaches the port edits with your key.

    \b
    Examples:
      baret mcp --server https://photos.example
      baret mcp --http --port 8010
    """
    if importlib.util.find_spec("mcp") is None:
        raise ModelUnusable("This installation cannot do that: install baret[mcp].")
    asyncio.run(_serve(server, http=http, host=host, port=port))


async def _serve(server: str | None, *, http: bool, host: str, port: int) -> None:
    # Only now: no other command needs the SDK.
    from cli.mcp_server import mcp_server  # noqa: PLC0415

    async with mcp_server(server, reads_files=not http) as running:
        if http:
            await running.run_streamable_http_async(host=host, port=port)
        else:
            await running.run_stdio_async()
