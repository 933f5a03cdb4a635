"""`rag serve`."""

from __future__ import annotations

import logging
import sys

import click

from rag.cli.options import shared
from rag.errors import InputError, RagError
from rag.settings import Settings


@click.command("serve")
@click.option(
    "--host", help="Address to bind to; by default RAG_HOST, or 127.0.0.1. Any other than this machine's own needs API keys."
)
@click.option("--port", type=click.IntRange(0, 65_535), help="By default RAG_PORT, or 8000; 0: any free one.")
@shared
def serve_command(settings: Settings, as_json: bool, host: str | None, port: int | None) -> None:
    """Serve the HTTP API, and its page at /, until stopped.

    --json makes the log, on stderr, lines of JSON.
    """
    chosen = settings.with_values("the command line", {"host": host, "port": port})
    from rag.serving.run import check_binding, run

    check_binding(chosen)
    failure = run(chosen, as_json)
    if failure is not None:
        raise failure if isinstance(failure, RagError) else InputError(str(failure), "see the log")
    logging.getLogger(__name__).info("stopped")
    sys.stdout.flush()
