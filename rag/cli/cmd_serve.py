"""`rag serve`: the HTTP API and the web page."""

from __future__ import annotations

import logging
import sys

import click

from rag.cli.options import is_json, shared_by_all
from rag.errors import RagError
from rag.settings import Settings


@click.command("serve")
@click.option(
    "--host",
    help="Address to bind to. Default: RAG_HOST, or 127.0.0.1. An address that other machines can "
    "reach needs API keys.",
)
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Default: RAG_PORT, or 8000; 0 picks a free one."
)
@click.option(
    "--certfile", metavar="PEM", help="Certificate chain, for HTTPS. Default: RAG_CERTFILE."
)
@click.option(
    "--keyfile", metavar="PEM", help="The certificate's private key, if it is in a separate file."
)
@click.option(
    "--no-key",
    is_flag=True,
    help="Require no token. Any program or proxy on this machine can then use the service.",
)
@click.option("--open", "open_page", is_flag=True, help="Open the page in your browser.")
@shared_by_all
def serve_command(
    settings: Settings,
    host: str | None,
    port: int | None,
    certfile: str | None,
    keyfile: str | None,
    no_key: bool,
    open_page: bool,
) -> None:
    """Serve the HTTP API, and the web page at /, until stopped.

    Until you create a key with rag keys add, the printed address contains a token, which is the
    same at each start. The browser remembers it after one visit, so that new tabs and bookmarks
    work. Programs send the token as `Authorization: Bearer TOKEN`. Requests are logged with rag -v
    serve, and with --json, which logs JSON lines to stderr. Exits with status 1 if an unexpected
    error stops it from starting.

    \b
    Examples:
      rag serve --open
      rag serve --port 0 --no-key
      rag serve --host 0.0.0.0 --certfile cert.pem --keyfile key.pem
    """
    chosen = settings.with_values(
        "the command line", {"host": host, "port": port, "certfile": certfile, "keyfile": keyfile}
    )
    from rag.server.serve import run, token_of

    if not (is_json() or click.get_current_context().find_root().params.get("verbose")):
        logging.getLogger("rag.requests").setLevel(logging.WARNING)
    failure = run(chosen, is_json(), token=token_of(chosen, no_key), open_page=open_page)
    if failure is not None:
        raise foreseen(failure)
    logging.getLogger(__name__).info("stopped")
    sys.stdout.flush()


def foreseen(failure: BaseException) -> RagError:
    """The startup failure as a RagError; an unexpected one exits with status 1."""
    if isinstance(failure, RagError):
        return failure
    message = f"the index or the models cannot be opened: {type(failure).__name__}: {failure}"
    return RagError(message, "see the log above; try: rag index doctor")
