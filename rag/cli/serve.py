"""`rag serve`."""

from __future__ import annotations

import logging
import sys

import click

from rag.cli.options import shared
from rag.errors import RagError
from rag.settings import Settings


@click.command("serve")
@click.option(
    "--host", help="Address to bind to; by default RAG_HOST, or 127.0.0.1. Any other than this machine's own needs API keys."
)
@click.option("--port", type=click.IntRange(0, 65_535), help="By default RAG_PORT, or 8000; 0: any free one.")
@shared
def serve_command(settings: Settings, as_json: bool, host: str | None, port: int | None) -> None:
    """Serve the HTTP API, and its page at /, until stopped.

    --json makes the log, on stderr, lines of JSON. Exits with 1 if something unforeseen keeps it from opening.
    """
    chosen = settings.with_values("the command line", {"host": host, "port": port})
    from rag.server.run import check_binding, run

    check_binding(chosen)
    failure = run(chosen, as_json)
    if failure is not None:
        raise foreseen(failure)
    logging.getLogger(__name__).info("stopped")
    sys.stdout.flush()


def foreseen(failure: BaseException) -> RagError:
    """What kept the service from opening, as the command line says it; what nobody foresaw is no fault of the input."""
    if isinstance(failure, RagError):
        return failure
    message = f"the index or the models cannot be opened: {type(failure).__name__}: {failure}"
    return RagError(message, "the log above says where; try: rag doctor")
