"""`rag worker`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager

import click

from rag import build
from rag.cli.options import collection_name, plural, print_json, shared, show
from rag.errors import AbsentError, EmptyError, InputError, NotFoundError, RagError
from rag.ingestion.uploads import GRID, Done, State, Upload, put_upload
from rag.parsing.pool import Pool
from rag.protocols import Embedder, Reader, Store
from rag.render.status import clean
from rag.settings import DEFAULT_COLLECTION, Settings


@click.command("worker")
@click.option("--once", is_flag=True, help="Stop when the queue is empty.")
@click.option("--status", is_flag=True, help="Only show the queue.")
@click.option("--forget", is_flag=True, help="Only remove failed documents from the queue.")
@click.option(
    "--all-collections",
    is_flag=True,
    help="Serve the default collection and all others, also those created later.",
)
@shared
def worker_command(
    settings: Settings,
    as_json: bool,
    once: bool,
    status: bool,
    forget: bool,
    all_collections: bool,
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
    if all_collections:
        _serve_all(settings, as_json, once, status, forget)
        return
    queue = build.queue(settings)
    if forget:
        print_json({"forgotten": queue.forget()})
        return
    if not status:
        embedder = build.embedder(settings)
        store = build.store(settings, embedder, create=True)
        reader = functools.cache(lambda: build.reader(settings))
        with build.pool(settings) as pool:
            queue.work(_handler(settings, store, embedder, pool, reader), wait=not once)
    state = queue.state()
    show(state, as_json, lambda: _summary(state) or "the queue is empty")
    sys.exit(1 if state.count("failed") else 0)


def _serve_all(settings: Settings, as_json: bool, once: bool, status: bool, forget: bool) -> None:
    if collection_name() != DEFAULT_COLLECTION:
        raise click.UsageError("--all-collections includes every --collection; leave that out")
    errors: Mapping[str, str] = {}
    with closing(build.collection_queues(settings)) as queues:
        if forget:
            print_json({"forgotten": queues.forget()})
            return
        if not status:
            embedder = build.embedder(settings)
            reader = functools.cache(lambda: build.reader(settings))
            with build.pool(settings) as pool:

                @contextmanager
                def opened(name: str, place: Settings) -> Iterator[Callable[[Upload], Done]]:
                    with closing(build.store(place, embedder, create=True)) as store:
                        yield _handler(place, store, embedder, pool, reader, f"{name}: ")

                errors = queues.work(opened, wait=not once)
        states = queues.states()
    show(states, as_json, lambda: _summary_of_all(states))
    failed = any(state.count("failed") for state in states.values())
    sys.exit(1 if failed or errors else 0)


def _handler(
    settings: Settings,
    store: Store,
    embedder: Embedder,
    pool: Pool,
    reader: Callable[[], Reader],
    prefix: str = "",
) -> Callable[[Upload], Done]:
    """Processes one queued file or grid. `reader` loads its models when a grid first needs them."""
    tokens, keep_pdf = settings.passage_tokens, settings.keep_pdf_mb << 20

    def handle(upload: Upload) -> Done:
        if upload.name.startswith(GRID):
            return _ask(settings, store, embedder, reader, upload.name.removeprefix(GRID))
        try:
            result = put_upload(store, embedder, tokens, upload, pool.load_data, keep_pdf)
        except RagError as error:
            if not isinstance(error, AbsentError):  # its collection was deleted
                click.echo(f"{prefix}{clean(upload.name)}: {clean(error.message)}", err=True)
            raise
        detail = f" ({clean(result.detail)})" if result.detail else ""
        click.echo(f"{prefix}{clean(upload.name)}: {result.outcome}{detail}", err=True)
        return result

    return handle


def _ask(
    settings: Settings, store: Store, embedder: Embedder, reader: Callable[[], Reader], name: str
) -> Done:
    """Ask the cells of a grid."""
    from rag.desk import grid_run

    try:
        engine = build.assemble(settings, store, embedder, reader())
        asked = grid_run.run(engine, name)
    except (InputError, NotFoundError, EmptyError) as error:
        return Done("rejected", (), error.message)
    click.echo(f"grid {clean(name)}: {plural(asked, 'cell')} asked", err=True)
    return Done("answered", (), plural(asked, "cell"))


def _summary_of_all(states: Mapping[str, State]) -> str:
    lines = [f"{name}: {text}" for name, state in states.items() if (text := _summary(state))]
    return "\n".join(lines) or "all queues are empty"


def _summary(state: State) -> str:
    """The queue's counts and failed files, or "" if it is empty."""
    counts = [
        f"{count:,} {name}"
        for name in ("waiting", "working", "failed")
        if (count := state.count(name))
    ]
    failed = [
        f"  {clean(job.name)}: {clean(job.error or 'unknown')}"
        for job in state.jobs
        if job.state == "failed"
    ]
    return "\n".join([", ".join(counts), *failed])
