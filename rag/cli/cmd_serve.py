"""`rag serve` and `rag worker`, which run until they are stopped."""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext

import click

from rag import build
from rag.cli.options import collection_name, command, is_json, option, print_json, show
from rag.errors import AbsentError, EmptyError, InputError, NotFoundError, RagError
from rag.ingestion.uploads import GRID, Done, QueueState, Upload, put_upload
from rag.protocols import Embedder, Reader, Store
from rag.render.status import clean, plural
from rag.settings import DEFAULT_COLLECTION, Settings


@command("serve", "index")
def serve_command(
    settings: Settings,
    host: str | None = option(
        "Address to bind to. Default: RAG_HOST, or 127.0.0.1. An address that other machines can "
        "reach needs API keys."
    ),
    port: int | None = option(
        "Default: RAG_PORT, or 8000; 0 picks a free one.", type=click.IntRange(0, 65_535)
    ),
    certfile: str | None = option(
        "Certificate chain, for HTTPS. Default: RAG_CERTFILE.", metavar="PEM"
    ),
    keyfile: str | None = option(
        "The certificate's private key, if it is in a separate file.", metavar="PEM"
    ),
    no_key: bool = option(
        "Require no token. Any program or proxy on this machine can then use the service."
    ),
    gate: str | None = option(
        "OpenAI-compatible server whose answers are passed on at /v1/gate, with unsupported "
        "sentences and false quotations marked. Its key: RAG_GATE_KEY. Default: RAG_GATE.",
        metavar="URL",
    ),
    open_page: bool = option("Open the page in your browser.", "--open"),
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
      rag serve --gate http://127.0.0.1:8080/v1
    """
    given = {"host": host, "port": port, "certfile": certfile, "keyfile": keyfile, "gate": gate}
    chosen = settings.with_values("the options", given)
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


@command("worker")
def worker_command(
    settings: Settings,
    once: bool = option("Stop when the queue is empty."),
    status: bool = option("Only show the queue."),
    forget: bool = option("Only remove failed documents from the queue."),
    all_collections: bool = option(
        "Serve the default collection and all others, also those created later."
    ),
) -> None:
    """Ingest the documents that `rag ingest --enqueue` and rag serve have queued in a PostgreSQL
    index, until interrupted.

    Run any number of workers on any number of machines. If one dies, another takes over its
    document. Exits with status 1 if a queued document failed.

    \b
    Examples:
      rag worker
      rag worker --all-collections
      rag worker --once
      rag worker --status --json
    """
    errors: Mapping[str, str] = {}
    if all_collections and collection_name() != DEFAULT_COLLECTION:
        raise click.UsageError("--all-collections includes every --collection; leave that out")
    with closing(build.worker_queues(settings, all_collections)) as queues:
        if forget:
            counts = queues.forget()
            print_json({"forgotten": counts if all_collections else sum(counts.values())})
            return
        if not status:
            with _handlers(settings) as opened:
                if all_collections:
                    errors = queues.work(opened, wait=not once)
                else:
                    with opened("", settings) as handle:
                        queues.work(lambda *_: nullcontext(handle), wait=not once)
        states = queues.states()
    if all_collections:
        lines = [f"{name}: {text}" for name, state in states.items() if (text := _summary(state))]
        show(states, lines or "all queues are empty")
    else:
        (state,) = states.values()
        show(state, _summary(state) or "the queue is empty")
    sys.exit(1 if errors or any(state.count("failed") for state in states.values()) else 0)


Handle = Callable[[Upload], Done]
"""Processes one queued file or grid."""
Opened = Callable[[str, Settings], AbstractContextManager[Handle]]


@contextmanager
def _handlers(settings: Settings) -> Iterator[Opened]:
    """A function that opens a collection to process its queue, and names it in each line."""
    embedder = build.embedder(settings)
    reader = functools.cache(lambda: build.reader(settings))
    with build.pool(settings) as pool:

        @contextmanager
        def opened(collection: str, place: Settings) -> Iterator[Handle]:
            prefix = f"{collection}: " if collection else ""
            tokens, keep_pdf = place.passage_tokens, place.keep_pdf_mb << 20
            with closing(build.store(place, embedder, create=True)) as store:

                def handle(upload: Upload) -> Done:
                    name = clean(upload.name)
                    if upload.name.startswith(GRID):
                        grid = upload.name.removeprefix(GRID)
                        return _ask(place, store, embedder, reader, grid)
                    try:
                        load = pool.load_data
                        result = put_upload(store, embedder, tokens, upload, load, keep_pdf)
                    except RagError as error:
                        if not isinstance(error, AbsentError):  # its collection was deleted
                            click.echo(f"{prefix}{name}: {clean(error.message)}", err=True)
                        raise
                    detail = f" ({clean(result.detail)})" if result.detail else ""
                    click.echo(f"{prefix}{name}: {result.outcome}{detail}", err=True)
                    return result

                yield handle

        yield opened


def _ask(
    settings: Settings, store: Store, embedder: Embedder, reader: Callable[[], Reader], name: str
) -> Done:
    from rag.desk import grid_run

    try:
        engine = build.assemble(settings, store, embedder, reader())
        count = grid_run.run(engine, name)
    except (InputError, NotFoundError, EmptyError) as error:
        return Done("rejected", (), error.message)
    click.echo(f"grid {clean(name)}: {plural(count, 'cell')} asked", err=True)
    return Done("answered", (), plural(count, "cell"))


def _summary(state: QueueState) -> str:
    """The queue's counts and failed files, or "" if it is empty."""
    names = ("waiting", "working", "failed")
    counts = [f"{count:,} {name}" for name in names if (count := state.count(name))]
    failed = (job for job in state.jobs if job.state == "failed")
    lines = [f"  {clean(job.name)}: {clean(job.error or 'unknown')}" for job in failed]
    return "\n".join([", ".join(counts), *lines])
