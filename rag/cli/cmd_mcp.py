"""`rag mcp`: serves the documents to one agent over stdin and stdout."""

from __future__ import annotations

import click

from rag.cli.options import collection_name, shared
from rag.errors import InputError, install_line
from rag.render.links import page_of
from rag.settings import Settings


@click.command("mcp")
@click.option(
    "--allow-writes", is_flag=True, help="Also offer the tools run_grid, ingest and delete."
)
@click.option(
    "--page",
    default="",
    metavar="URL",
    help="Address of a running rag serve, for links to sources.",
)
@shared
def mcp_command(settings: Settings, allow_writes: bool, page: str) -> None:
    """Serve the documents to an AI agent over stdin and stdout (MCP).

    The agent starts this command itself; rag connect writes the configuration for it. rag serve
    offers the same tools at /mcp. Needs the extra `mcp`: pip install '.[mcp]'.

    \b
    Examples:
      rag mcp --index notes/index
      rag mcp --allow-writes --page http://127.0.0.1:8000/
    """
    if page and not page.startswith(("http://", "https://")):
        raise InputError(f"--page {page} is not a URL", "write it as http://127.0.0.1:8000/")
    try:
        from rag.server.mcp.local import run
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise InputError(
            "the package mcp is not installed", f"run: {install_line('mcp')}"
        ) from error
    run(settings, allow_writes, page and page_of(f"{page.rstrip('/')}/", collection_name()))
