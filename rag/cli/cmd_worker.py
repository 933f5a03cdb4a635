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
@click.option("--status", is_flag=True, help="Only show the queue.")
@click.option("--forget", is_flag=True, help="Only remove failed documents from the queue.")
@shared
def worker_command(
    settings: Settings, as_json: bool, once: bool, status: bool, forget: bool
) -> None:
    """Ingest the documents that `rag ingest --enqueue` and rag serve have queued in a PostgreSQL
    index, until interrupted.

    Run any number of workers on any number of machines. If one dies, another takes over its
    document. Exits with status 1 if a queued document failed.

    \b
    Examples:
      rag worker
      rag worker --once
      rag worker --status --json
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
                tokens, keep_pdf = settings.passage_tokens, settings.keep_pdf_mb << 20
                done = put_upload(store, embedder, tokens, upload, pool.load_data, keep_pdf)
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
