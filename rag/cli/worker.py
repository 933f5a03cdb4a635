"""`rag worker`."""

from __future__ import annotations

import sys

import click

from rag import build
from rag.cli.options import shared
from rag.ingestion.uploads import Done, State, Upload, put_upload
from rag.render.json import print_json
from rag.render.terminal import clean
from rag.settings import Settings


@click.command("worker")
@click.option("--once", is_flag=True, help="Stop when the queue is empty.")
@click.option("--status", is_flag=True, help="Only show what is in the queue, and do nothing.")
@click.option("--forget", is_flag=True, help="Only take out of the queue what failed.")
@shared
def worker_command(
    settings: Settings, as_json: bool, once: bool, status: bool, forget: bool
) -> None:
    """Put in what `rag ingest --enqueue` and servers left in the queue of a PostgreSQL index, until
    interrupted.

    Run as many as you like, on as many machines. What one that dies was at is taken up by another.
    Exits with 1 if something in the queue failed.
    """
    queue = build.queue(settings)
    if forget:
        print_json({"forgotten": queue.forget()})
        return
    if not status:
        embedder = build.embedder(settings)
        store = build.store(settings, embedder, create=True)

        with build.pool(settings) as pool:

            def handle(upload: Upload) -> Done:
                done = put_upload(store, embedder, settings.passage_tokens, upload, pool.load_data)
                said = f" ({clean(done.detail)})" if done.detail else ""
                click.echo(f"{clean(upload.name)}: {done.outcome}{said}", err=True)
                return done

            queue.work(handle, wait=not once)
    state = queue.state()
    print_json(state) if as_json else click.echo(_said(state))
    sys.exit(1 if state.count("failed") else 0)


def _said(state: State) -> str:
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
    return "\n".join([", ".join(counts) or "the queue is empty", *failed])
