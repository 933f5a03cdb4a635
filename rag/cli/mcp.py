"""`rag mcp`."""

from __future__ import annotations

import click

from rag.cli.options import shared
from rag.errors import InputError, install_line
from rag.settings import Settings


@click.command("mcp")
@click.option("--allow-writes", is_flag=True, help="Offer the tools ingest and delete, too.")
@click.option(
    "--page",
    default="",
    metavar="URL",
    help="Address of a running rag serve, which links then lead to.",
)
@shared
def mcp_command(settings: Settings, as_json: bool, allow_writes: bool, page: str) -> None:
    """Serve the documents to an agent over stdin and stdout (MCP).

    The agent's program starts it; rag connect writes the configuration for that. rag serve has the
    same tools at /mcp. Needs the extra `mcp`: pip install '.[mcp]'.

    \b
    rag mcp --index notes/index
    rag connect claude
    """
    if page and not page.startswith(("http://", "https://")):
        raise InputError(f"--page {page} is not an address", "write it as http://127.0.0.1:8000/")
    try:
        from rag.server.mcp.local import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise InputError(
            "MCP needs mcp, which is not installed", f"run: {install_line('mcp')}"
        ) from error
    run(settings, allow_writes, page if not page or page.endswith("/") else f"{page}/")
