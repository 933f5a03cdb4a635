"""`rag ingest`, `list`, `show` and `delete`: the documents of an index."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.cli.options import (
    counts,
    filter_option,
    is_json,
    print_json,
    quotes_lines,
    shared,
    show,
    skipped_lines,
)
from rag.errors import InputError, NotFoundError, StoreError
from rag.filters import Filter, matches
from rag.ingestion.deletion import DeletionReceipt, delete
from rag.ingestion.find_document import find_document
from rag.ingestion.ingest import IngestReport
from rag.ingestion.progress import IngestProgress
from rag.parsing.files import FoundFile
from rag.parsing.pool import ParseTask
from rag.render.status import Status, clean, flat, plural
from rag.server.feedback import forget_quotes
from rag.settings import Settings
from rag.types import Document, plain

if TYPE_CHECKING:
    from rag.ingestion.ingest import Ingest
    from rag.ingestion.web import WebIngest

_PARTS = {
    "documents": "text",
    "passages": "passages",
    "vectors": "vectors",
    "words": "full text",
    "originals": "file",
    "cells": "grid cells",
}
"""Names of the parts of the index in a receipt of a deletion."""


@click.command("ingest")
@click.argument("paths", nargs=-1, required=True)
@click.option("--name", help="Folder name to use in document ids. Default: its own name.")
@click.option(
    "--enqueue", is_flag=True, help="Queue the files for rag worker (PostgreSQL indexes only)."
)
@click.option(
    "--allow-private", is_flag=True, help="Allow web pages on this machine and the local network."
)
@shared
def ingest_command(
    settings: Settings, paths: tuple[str, ...], name: str | None, enqueue: bool, allow_private: bool
) -> None:
    """Add the files and folders PATHS to the index.

    Reads text, Markdown, reStructuredText, HTML, PDF, DOCX, PPTX, XLSX, CSV, EPUB, mail, JSON, and
    .gz and .zip archives of these. A changed file replaces its old version; an unchanged file is
    skipped. Files that fail to parse or exceed the limits are listed at the end; the rest are
    ingested. Hidden files and index folders are skipped.

    PATHS may also be web addresses: pages, or a sitemap whose pages are fetched.

    \b
    Examples:
      rag ingest ~/notes
      rag ingest lease.pdf minutes.docx
      rag ingest https://example.org/sitemap.xml
    """
    if all(path.startswith(("http://", "https://")) for path in paths):
        if name or enqueue:
            message = "--name and --enqueue work with files, not with web pages"
            raise InputError(message, "leave them out")
        progress = IngestProgress(unit="page")
        with build.pool(settings) as pool:
            with Status("opening the index"):
                web = build.web(settings, pool, allow_private)
            _run(settings, progress, web, lambda: web.run(paths, progress.on_page))
        return
    files = build.files(settings, [Path(path) for path in paths], name)
    progress = IngestProgress(files)
    if enqueue:
        from rag.ingestion import uploads

        with Status(progress.describe, log=True):
            enqueued = uploads.enqueue(build.queue(settings), files, progress.on_progress)
        count = len(enqueued.documents)
        line = f"{settings.place}: {count} queued; ingest them with: rag worker"
        show(enqueued, [line, *skipped_lines(enqueued.skipped)])
        return
    with build.pool(settings) as pool:
        loader, forgetting = progress.loader(pool), partial(forget_quotes, settings.index)
        with Status("opening the index"):
            ingest = build.ingest(settings, loader, progress.on_embedded, forgetting)
        _run(settings, progress, ingest, lambda: ingest.run(files, progress.on_progress))


def _run(
    settings: Settings,
    progress: IngestProgress,
    ingest: Ingest | WebIngest,
    run: Callable[[], object],
) -> None:
    report = ingest.report
    try:
        with Status(progress.describe, log=True):
            run()
    except KeyboardInterrupt:
        count = plural(len(report.added) + len(report.updated), "document")
        state = f"stopped; {count} stored in {settings.place} so far"
        click.echo(f"rag: {state}; run it again to continue", err=True)
        if is_json():
            print_json(report)
        sys.exit(130)
    show(report, _report(report, settings.place))


def _report(report: IngestReport, index: str) -> list[str]:
    words = counts(report, ("added", "updated", "removed", "unchanged", "skipped"))
    is_changed = report.added or report.updated or report.removed
    end = "" if is_changed else "; the index has not changed"
    return [f"{index}: {words}{end}", *quotes_lines(report.quotes), *skipped_lines(report.skipped)]


@click.command("list")
@filter_option
@shared
def list_command(settings: Settings, filter: Filter) -> None:
    """List the documents with their ids and titles.

    \b
    Examples:
      rag list
      rag list --filter type=pdf --filter "year>=2024"
      rag list --json | jq -r '.[].id'
    """
    store = build.store(settings, any_embedder=True)
    documents = [document for document in store.documents() if matches(filter, document)]
    width = max((len(document.id) for document in documents), default=0)
    lines = [f"{flat(document.id):{width}}  {flat(document.title)}" for document in documents]
    show([_without_text(document) for document in documents], lines)


@click.command("show")
@click.argument("document")
@click.option(
    "--raw",
    is_flag=True,
    help="Parse the file again, keeping the navigation and running heads that are not indexed.",
)
@shared
def show_command(settings: Settings, document: str, raw: bool) -> None:
    """Print the text of DOCUMENT (an id or a path). Citation offsets refer to this text.

    \b
    Examples:
      rag show notes/lease.md
      rag show manual.html --raw
      rag show notes/lease.md --json
    """
    store = build.store(settings, any_embedder=True)
    stored = store.document(find_document(store.documents(), document).id)
    if raw and stored:
        stored = _raw(settings, stored)
    if is_json():
        print_json(stored)
    elif stored:
        sys.stdout.write(stored.text if not sys.stdout.isatty() else clean(stored.text))
        sys.stdout.write("" if stored.text.endswith("\n") else "\n")


def _raw(settings: Settings, document: Document) -> Document:
    """Parse the document's file again, with boilerplate. Raises NotFoundError, InputError."""
    from rag.parsing.base import ParseError
    from rag.parsing.load import HINT

    path = Path(document.file)
    if not path.is_file():
        hint = "leave out --raw to see the text as it was ingested"
        raise NotFoundError(f"the file of {document.id} is missing: {document.file}", hint)
    try:
        with build.pool(dataclasses.replace(settings, keep_furniture=1, workers=1)) as pool:
            ((_, loaded),) = pool([ParseTask(FoundFile(path, document.id))])
        if isinstance(loaded, ParseError):
            raise loaded
    except ParseError as error:
        raise InputError(f"{path} {error}", HINT) from error
    for parsed in loaded.documents:
        if parsed.source == document.source:
            return parsed
    raise NotFoundError(f"{document.id} is no longer in {path}", f"run: rag sync {path.parent}")


@click.command("delete")
@click.argument("documents", nargs=-1, required=True)
@shared
def delete_command(settings: Settings, documents: tuple[str, ...]) -> None:
    """Delete DOCUMENTS (ids or paths) from the index. If one is unknown, none are deleted.

    Prints a receipt: the entries for each document in each part of the index, before and after, and
    whether searches still find it.

    \b
    Examples:
      rag delete notes/lease.md
      rag delete ~/notes/old.pdf ~/notes/draft.docx --json
    """
    store = build.store(settings, any_embedder=True)
    stored = store.documents()
    ids = list(dict.fromkeys(find_document(stored, name).id for name in documents))
    texts = {document_id: store.document(document_id) for document_id in ids}
    with store.erasing():
        receipts = delete(store, ids, build.stamps(settings))
        quotes = {
            name: forget_quotes(settings.index, document) if document else {}
            for name, document in texts.items()
        }
    value = [plain(r) | quotes[r.document] | {"complete": r.complete} for r in receipts]
    show(value, (line for r in receipts for line in _proof(r, quotes[r.document])))
    if not all(receipt.complete for receipt in receipts):
        raise StoreError("parts of the deleted documents remain", "run: rag index doctor")


def _proof(receipt: DeletionReceipt, quotes: Mapping[str, int]) -> Iterator[str]:
    before, after = receipt.before, receipt.after
    counts = [
        f"{words} {getattr(before, name)} -> {getattr(after, name)}"
        for name, words in _PARTS.items()
        if getattr(before, name) or name not in ("originals", "cells")
    ]
    yield f"deleted {clean(receipt.document)}"
    yield f"  {', '.join(counts)}; log {after.log_bytes} bytes"
    yield f"  {receipt.searches} searches for its passages: {receipt.found} still find it"
    if after.unmerged:
        words = f"words of {after.unmerged} deleted passages"
        yield f"  {words} remain in full-text files until the next merges"
    if quotes.get("ratings"):
        yield f"  {quotes['ratings']} ratings that quoted it are deleted"
    if quotes.get("threads"):
        yield f"  {quotes['threads']} answers that quoted it are deleted from threads"
    for path in receipt.snapshots:
        yield f"  still in snapshot {clean(path)}"


def _without_text(document: Document) -> dict[str, object]:
    left_out = ("text", "blocks", "pages", "container_sha256")
    names = (field.name for field in dataclasses.fields(document))
    return {name: getattr(document, name) for name in names if name not in left_out}
