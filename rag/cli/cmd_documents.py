"""`rag ingest`, `list`, `show` and `delete`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rag import build
from rag.cli.options import filter_option, shared
from rag.cli.progress import progress
from rag.errors import InputError, NotFoundError, StoreError
from rag.filters import Filter, matches
from rag.ingestion.deletion import DeletionReceipt, delete
from rag.ingestion.find_document import find_document
from rag.ingestion.ingest import IngestReport
from rag.parsing.files import FoundFile
from rag.parsing.pool import ParseTask
from rag.render.json import print_json
from rag.render.sanitize import flat
from rag.render.terminal import clean
from rag.settings import Settings
from rag.types import Document

if TYPE_CHECKING:
    from rag.ingestion.ingest import Ingest
    from rag.ingestion.web import WebIngest

_SHOWN = 20
"""Number of skipped files that the report lists."""


@click.command("ingest")
@click.argument("paths", nargs=-1, required=True)
@click.option("--name", help="Folder name to use in document ids. Default: its own name.")
@click.option(
    "--enqueue", is_flag=True, help="Queue the files for rag worker (PostgreSQL indexes only)."
)
@click.option(
    "--allow-private",
    is_flag=True,
    help="Allow web pages on this machine and the local network.",
)
@shared
def ingest_command(
    settings: Settings,
    as_json: bool,
    paths: tuple[str, ...],
    name: str | None,
    enqueue: bool,
    allow_private: bool,
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
            raise InputError(
                "--name and --enqueue work with files, not with web pages", "leave them out"
            )
        _run_web(settings, as_json, paths, allow_private)
        return
    files = build.files(settings, [Path(path) for path in paths], name)
    if enqueue:
        _enqueue(settings, as_json, files)
        return
    with build.pool(settings) as pool:
        _run(settings, as_json, build.ingest(settings, pool), files, len(files), "file")


def _run_web(settings: Settings, as_json: bool, urls: Sequence[str], allow_private: bool) -> None:
    with build.pool(settings) as pool:
        _run(settings, as_json, build.web(settings, pool, allow_private), urls, 0, "page")


def _run(
    settings: Settings,
    as_json: bool,
    run: Ingest | WebIngest,
    items: Sequence[Any],
    total: int,
    unit: str,
) -> None:
    try:
        with progress(total, unit) as on_progress:
            run.run(items, on_progress)
    except KeyboardInterrupt:
        stopped(len(run.report.added) + len(run.report.updated), settings.place)
        print_json(run.report) if as_json else None
        sys.exit(130)
    print_json(run.report) if as_json else click.echo(_report(run.report, settings.place))


def stopped(documents: int, index: str) -> None:
    """Report how many documents an interrupted run has stored."""
    said = (
        f"rag: stopped; {documents} document{'' if documents == 1 else 's'} stored in {index} "
        f"so far"
    )
    click.echo(f"{said}; run it again to continue", err=True)


def _enqueue(settings: Settings, as_json: bool, files: list[FoundFile]) -> None:
    from rag.ingestion.uploads import enqueue

    with progress(len(files)) as on_progress:
        enqueued = enqueue(build.queue(settings), files, on_progress)
    if as_json:
        print_json(enqueued)
        return
    skipped = [f"  skipped {clean(path)}: {clean(reason)}" for path, reason in enqueued.skipped]
    click.echo(
        "\n".join(
            [
                f"{settings.place}: {len(enqueued.documents)} queued; ingest them with: rag worker",
                *skipped,
            ]
        )
    )


def _report(report: IngestReport, index: str) -> str:
    words = ("added", "updated", "removed", "unchanged", "skipped")
    said = ", ".join(f"{count} {word}" for word in words if (count := len(getattr(report, word))))
    nothing = (
        "" if report.added or report.updated or report.removed else "; the index has not changed"
    )
    lines = [f"{index}: {said}{nothing}"]
    lines += [
        f"  skipped {clean(path)}: {clean(reason)}" for path, reason in report.skipped[:_SHOWN]
    ]
    more = len(report.skipped) - _SHOWN
    lines += [f"  and {more} more; --json lists all"] if more > 0 else []
    return "\n".join(lines)


@click.command("list")
@filter_option
@shared
def list_command(settings: Settings, as_json: bool, filter: Filter) -> None:
    """List the documents with their ids and titles.

    \b
    Examples:
      rag list
      rag list --filter type=pdf --filter "year>=2024"
      rag list --json | jq -r '.[].id'
    """
    documents = [
        document
        for document in build.store(settings, any_embedder=True).documents()
        if matches(filter, document)
    ]
    if as_json:
        print_json([_without_text(document) for document in documents])
        return
    width = max((len(document.id) for document in documents), default=0)
    for document in documents:
        click.echo(f"{flat(document.id):{width}}  {flat(document.title)}")


@click.command("show")
@click.argument("document")
@click.option(
    "--raw",
    is_flag=True,
    help="Parse the file again, keeping the navigation and running heads that are not indexed.",
)
@shared
def show_command(settings: Settings, as_json: bool, document: str, raw: bool) -> None:
    """Print the text of DOCUMENT (an id or a path). Citation offsets refer to this text.

    \b
    Examples:
      rag show notes/lease.md
      rag show manual.html --raw
      rag show notes/lease.md --json
    """
    store = build.store(settings, any_embedder=True)
    found = store.document(find_document(store.documents(), document).id)
    if raw and found:
        found = _raw(settings, found)
    if as_json:
        print_json(found)
    elif found:
        sys.stdout.write(found.text if not sys.stdout.isatty() else clean(found.text))
        sys.stdout.write("" if found.text.endswith("\n") else "\n")


def _raw(settings: Settings, document: Document) -> Document:
    """Parse the document's file again and keep its boilerplate. Raises NotFoundError if the file or
    the document is missing, InputError if the file is unreadable.
    """
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
    again = [other for other in loaded.documents if other.source == document.source]
    if not again:
        raise NotFoundError(f"{document.id} is no longer in {path}", f"run: rag sync {path.parent}")
    return again[0]


@click.command("delete")
@click.argument("documents", nargs=-1, required=True)
@shared
def delete_command(settings: Settings, as_json: bool, documents: tuple[str, ...]) -> None:
    """Delete DOCUMENTS (ids or paths) from the index. If one is unknown, none are deleted.

    Prints a receipt: the entries for each document in each part of the index, before and after, and
    whether searches still find it.

    \b
    Examples:
      rag delete notes/lease.md
      rag delete ~/notes/old.pdf ~/notes/draft.docx --json
    """
    store = build.store(settings, any_embedder=True)
    there = store.documents()
    ids = list(dict.fromkeys(find_document(there, name).id for name in documents))
    receipts = delete(store, ids, build.stamps(settings))
    if as_json:
        print_json([_with_verdict(receipt) for receipt in receipts])
    for receipt in receipts if not as_json else []:
        click.echo("\n".join(_proof(receipt)))
    if not all(receipt.complete for receipt in receipts):
        raise StoreError("parts of the deleted documents remain", "run: rag doctor")


def _with_verdict(receipt: DeletionReceipt) -> dict[str, object]:
    return {field.name: getattr(receipt, field.name) for field in dataclasses.fields(receipt)} | {
        "complete": receipt.complete
    }


def _proof(receipt: DeletionReceipt) -> list[str]:
    names = {
        "documents": "text",
        "passages": "passages",
        "vectors": "vectors",
        "words": "full text",
    }
    if receipt.before.originals:
        names["originals"] = "file"
    counts = [
        f"{word} {getattr(receipt.before, name)} -> {getattr(receipt.after, name)}"
        for name, word in names.items()
    ]
    lines = [
        f"deleted {clean(receipt.document)}",
        f"  {', '.join(counts)}; log {receipt.after.log_bytes} bytes",
    ]
    lines.append(f"  {receipt.searches} searches for its passages: {receipt.found} still find it")
    if receipt.after.unmerged:
        lines.append(
            f"  words of {receipt.after.unmerged} deleted passages remain in full-text files until "
            f"the next merges"
        )
    return lines + [f"  still in snapshot {clean(path)}" for path in receipt.snapshots]


def _without_text(document: Document) -> dict[str, object]:
    names = [
        field.name
        for field in dataclasses.fields(document)
        if field.name not in ("text", "blocks", "pages", "container_sha256")
    ]
    return {name: getattr(document, name) for name in names}
