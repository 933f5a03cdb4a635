"""`rag serve`."""

from __future__ import annotations

import logging
import sys

import click

from rag.cli.options import shared_by_all
from rag.errors import RagError
from rag.settings import Settings


@click.command("serve")
@click.option(
    "--host",
    help=(
        "Address to bind to; by default RAG_HOST, or 127.0.0.1. Any other than this machine's "
        "own needs API keys."
    ),
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="By default RAG_PORT, or 8000; 0: any free one."
)
@click.option(
    "--certfile", metavar="PEM", help="Certificate and its chain: HTTPS. By default RAG_CERTFILE."
)
@click.option(
    "--keyfile", metavar="PEM", help="The certificate's private key, if it is in a file of its own."
)
@click.option(
    "--no-key",
    is_flag=True,
    help="Ask for no token: every program on this machine, and any proxy on it, may ask.",
)
@shared_by_all
def serve_command(
    settings: Settings,
    as_json: bool,
    host: str | None,
    port: int | None,
    certfile: str | None,
    keyfile: str | None,
    no_key: bool,
) -> None:
    """Serve the HTTP API, and its page at /, until stopped.

    Until a key is made with rag keys add, the printed address holds a token for this run; programs
    send it as Authorization: Bearer TOKEN.
    --json logs JSON lines to stderr. Exits with 1 if something unforeseen keeps it from opening.
    """
    chosen = settings.with_values(
        "the command line", {"host": host, "port": port, "certfile": certfile, "keyfile": keyfile}
    )
    from rag.server.run import new_token, run

    failure = run(chosen, as_json, token=new_token(chosen, no_key))
    if failure is not None:
        raise foreseen(failure)
    logging.getLogger(__name__).info("stopped")
    sys.stdout.flush()


def foreseen(failure: BaseException) -> RagError:
    """What kept the service from opening, as the command line says it; what nobody foresaw is no
    fault of the input.
    """
    if isinstance(failure, RagError):
        return failure
    message = f"the index or the models cannot be opened: {type(failure).__name__}: {failure}"
    return RagError(message, "the log above says where; try: rag doctor")
