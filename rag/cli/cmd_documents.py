"""`rag ingest`, `sync`, `list`, `show` and `delete`: the documents of an index."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rag import build
from rag.answering.suggestions import SUGGESTION_READS
from rag.cli.options import (
    FILTER,
    command,
    field_names,
    is_json,
    option,
    path_instead,
    print_json,
    show,
    stopped,
)
from rag.engine import Engine
from rag.errors import InputError, NotFoundError, RagError, StoreError
from rag.filters import Filter, check_keys, matches
from rag.ingestion.deletion import DeletionReceipt, delete
from rag.ingestion.find_document import find_document
from rag.ingestion.ingest import Ingest, IngestReport
from rag.ingestion.progress import IngestProgress
from rag.ingestion.sync import Changes, Sync
from rag.ingestion.watch import watch
from rag.parsing.files import FoundFile
from rag.parsing.pool import ParseTask
from rag.protocols import Embedder, Store
from rag.render.status import Status, clean, one_line, plural
from rag.server.user_data import forget_quotes
from rag.settings import Settings, is_address, public_address
from rag.types import Block, Document, plain

if TYPE_CHECKING:
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
_TRIES = 4
"""Number of questions that are tried after an ingest, to suggest one."""
_MOST_SKIPPED = 20
"""Number of skipped files that a report lists."""


@command("ingest", fields=f"{field_names(IngestReport)} documents")
def ingest_command(
    settings: Settings,
    paths: tuple[str, ...],
    name: str | None = option("Folder name to use in document ids. Default: its own name."),
    enqueue: bool = option("Queue the files for rag worker (PostgreSQL indexes only)."),
    allow_private: bool = option("Allow web pages on this machine and the local network."),
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
    if _are_web_pages(paths):
        if name or enqueue:
            message = "--name and --enqueue work with files, not with web pages"
            raise InputError(message, "leave them out")
        progress = IngestProgress(unit="page")
        with build.pool(settings) as pool:
            with Status("opening the index"):
                web = build.web(settings, pool, allow_private)
            run = partial(web.run, paths, progress.on_page)
            _run(settings.place, progress, web, run)
        _say_what_is_next(settings, web.report, web.embedder)
        return
    files = build.files(settings, [Path(path) for path in paths], name)
    progress = IngestProgress(files)
    if enqueue:
        from rag.ingestion import uploads

        with Status(progress.describe, log=True):
            enqueued = uploads.enqueue(build.queue(settings), files, progress.on_progress)
        count = len(enqueued.documents)
        line = f"{settings.place}: {count} queued; ingest them with: rag worker"
        show(enqueued, [line, *_skipped_lines(enqueued.skipped)])
        return
    with build.pool(settings) as pool:
        loader, forgetting = progress.loader(pool), partial(forget_quotes, settings.index)
        with Status("opening the index"):
            ingest = build.ingest(settings, loader, progress.on_embedded, forgetting)
        run = partial(ingest.run, files, progress.on_progress)
        _run(settings.place, progress, ingest, run)
    _say_what_is_next(settings, ingest.report, ingest.embedder)


def _are_web_pages(paths: Sequence[str]) -> bool:
    """Whether the paths are web addresses, and not files. Raises InputError for a mixture, and for
    other addresses.
    """
    pages = [path for path in paths if path.startswith(("http://", "https://"))]
    for path in paths:
        if path not in pages and is_address(path):
            message = f"{public_address(path)} is an address that rag does not fetch"
            hint = "rag ingest takes files, folders, and pages at http:// and https://"
            raise InputError(message, path_instead(path) if path.startswith("file:") else hint)
    if pages and len(pages) < len(paths):
        message = f"{pages[0]} is a web page, and others of these paths are files"
        raise InputError(message, f"add web pages on their own: rag ingest {pages[0]}")
    return bool(pages)


def _run(
    place: str, progress: IngestProgress, ingest: Ingest | WebIngest, run: Callable[[], object]
) -> None:
    try:
        with Status(progress.describe, log=True):
            run()
    except KeyboardInterrupt:
        report = ingest.report
        if is_json():
            print_json(report)
        count = plural(len(report.added) + len(report.updated), "document")
        stopped(f"{count} stored in {place} so far")
    show(ingest.report, _lines(ingest.report, place))


def _say_what_is_next(settings: Settings, report: IngestReport, embedder: Embedder) -> None:
    """Say on stderr what to do with new documents: a question that they answer. A reader loads for
    it, so a script that adds files to an index with others sees nothing.
    """
    if is_json() or not report.added:
        return
    with closing(build.store(settings)) as store:
        is_first = store.stats().documents == len(report.added)
        if not (is_first or sys.stderr.isatty()):
            return
        with Status("looking for a question that they answer"):
            questions = _question(settings, store, embedder)
    click.echo(f"rag: next, {_next_command(questions)}", err=True)


def _next_command(questions: Sequence[str]) -> str:
    """How to ask the index of the running command one of these questions, or any without them."""
    options = click.get_current_context().params
    command = "rag ask"
    for name in ("index", "collection"):
        if options.get(name) is not None:
            command += f" --{name} {shlex.quote(str(options[name]))}"
    if not questions:
        return f'ask a question: {command} "…"'

    question, *_ = questions
    is_special = set('"$`\\!') & set(question)
    quoted = shlex.quote(question) if is_special else f'"{question}"'
    return f"for example: {command} {clean(quoted)}"


def _question(settings: Settings, store: Store, embedder: Embedder) -> tuple[str, ...]:
    """A question that the index answers, or none if a few tries find none. The small reader asks
    it, since the large one would take longer to load than the documents to be read.
    """
    engine = build.small_engine(settings, store, embedder)
    try:
        return engine.suggestions.questions(
            store, lambda text: engine.ask(text, SUGGESTION_READS), count=1, tries=_TRIES
        )
    except RagError:  # the documents are stored, and may be asked later
        return ()


def _lines(report: IngestReport, place: str) -> list[str]:
    """How many documents of each kind a run had, and what it deleted, refused and skipped."""
    words = ("added", "updated", "renamed", "removed", "unchanged", "skipped")
    counts = {word: len(getattr(report, word, ())) for word in words}
    listed = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    state = "" if any(counts[word] for word in words[:4]) else "; the index has not changed"

    lines = []
    if isinstance(report, Changes):
        if report.dry_run:
            state = "; nothing was changed (dry run)"
            signs = {"+": report.added, "~": report.updated, "-": report.removed}
            lines = [f"  {sign} {clean(name)}" for sign, names in signs.items() for name in names]
            lines += [
                f"  > {clean(name_before)} -> {clean(name_now)}"
                for name_before, name_now in report.renamed
            ]

        if report.refused:
            lines.append(f"  refused without --allow-mass-delete: {clean(report.refused)}")

    if report.quotes:
        quotes = plural(report.quotes, "rating or answer")
        lines.append(f"  {quotes} that quoted removed documents deleted")

    return [f"{place}: {listed or 'no documents'}{state}", *lines, *_skipped_lines(report.skipped)]


def _skipped_lines(skipped: Sequence[tuple[str, str]]) -> list[str]:
    """The skipped files with their reasons; the last line counts those left out."""
    lines = [f"  skipped {clean(path)}: {clean(why)}" for path, why in skipped[:_MOST_SKIPPED]]
    unlisted = len(skipped) - _MOST_SKIPPED
    return [*lines, f"  and {unlisted} more; --json lists all"] if unlisted > 0 else lines


@command("sync", fields=field_names(Changes))
def sync_command(
    settings: Settings,
    folder: Path,
    dry_run: bool = option("Only show what would change."),
    allows_mass_delete: bool = option(
        "Delete documents even if much of the folder has disappeared.", "--allow-mass-delete"
    ),
    is_watching: bool = option("Keep syncing after each change until interrupted.", "--watch"),
    name: str | None = option("Folder name to use in document ids. Default: its own name."),
) -> None:
    """Make the index match FOLDER: add, update, rename and remove documents.

    Files are compared by content, so a renamed file is not embedded again. Documents from other
    folders are left alone.

    \b
    Examples:
      rag sync ~/notes --dry-run
      rag sync ~/notes
      rag sync ~/notes --watch
    """
    if dry_run and is_watching:
        raise InputError("--dry-run and --watch cannot be combined", "leave one out")
    root = folder.resolve()
    if root.is_file():
        hint = f"add it with: rag ingest {shlex.quote(str(folder))}"
        raise InputError(f"{folder} is a file, and sync takes a folder", hint)
    if not root.is_dir():
        hint = "check the path; if you deleted the folder, remove its documents with: rag delete"
        raise NotFoundError(f"no such folder: {folder}", hint)
    with build.pool(settings) as pool:
        progress = IngestProgress()
        with Status("opening the index"):
            ingest = build.ingest(
                settings,
                loader=progress.loader(pool),
                on_embedded=progress.on_embedded,
                forget=partial(forget_quotes, settings.index),
                create=not dry_run,
            )
            sync = Sync(ingest)

        def sync_once() -> Changes:
            files = build.files(settings, [root], name or sync.name_of(root), allow_none=True)
            if dry_run:
                return sync.preview(root, files)
            progress.begin(files)
            try:
                with Status(progress.describe, log=True):
                    return sync.run(root, files, allows_mass_delete, progress.on_progress)
            except KeyboardInterrupt:
                stopped("finished documents are stored")

        engine = cache(lambda: build.engine(settings))

        def report(changes: Changes) -> None:
            show(changes, _lines(changes, settings.place))
            sys.stdout.flush()
            if not changes.dry_run:
                _ask_grids(settings, engine, changes.any)

        if is_watching:
            watch(
                root, settings.index, sync_once, report, lambda e: click.echo(f"rag: {e}", err=True)
            )
        else:
            report(sync_once())


def _ask_grids(settings: Settings, engine: Callable[[], Engine], has_changed: bool) -> None:
    """Ask standing grids, and say on stderr what changed; errors do not undo a sync."""
    from rag.desk.grid_run import refresh

    with closing(build.store(settings)) as store, Status("asking standing grids"):
        for grid in refresh(store, engine, has_changed):
            name = clean(grid.name)
            news = f"{plural(grid.changed, 'answer')} changed; see: rag grid changes {name!r}"
            outcome = grid.error or (news if grid.changed else "no answer changed")
            click.echo(f"rag: grid {name}: {clean(outcome)}", err=True)


@command("list")
def list_command(settings: Settings, filter: Filter = FILTER) -> None:
    """List the documents with their ids and titles.

    \b
    Examples:
      rag list
      rag list --filter type=pdf --filter "year>=2024"
      rag list --json | jq -r '.[].id'
    """
    store = build.store(settings, any_embedder=True)
    check_keys(filter, store.metadata_keys)
    documents = [document for document in store.documents() if matches(filter, document)]
    width = max((len(document.id) for document in documents), default=0)
    lines = [
        f"{one_line(document.id):{width}}  {one_line(document.title)}" for document in documents
    ]
    left_out = {"text", "blocks", "pages", "container_sha256"}
    names = [field.name for field in dataclasses.fields(Document) if field.name not in left_out]
    show([{name: getattr(document, name) for name in names} for document in documents], lines)


@command("show")
def show_command(
    settings: Settings,
    document: str,
    raw: bool = option(
        "Parse the file again, keeping the navigation and running heads that are not indexed."
    ),
) -> None:
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
        stored = _parse_with_boilerplate(settings, stored)
    if is_json() and stored:
        print_json(plain(stored) | {"blocks": list(map(_block_dict, stored.blocks))})
    elif stored:
        sys.stdout.write(stored.text if not sys.stdout.isatty() else clean(stored.text))
        sys.stdout.write("" if stored.text.endswith("\n") else "\n")


def _block_dict(block: Block) -> dict[str, Any]:
    """A block as JSON, with its cells and columns."""
    cells = [cell._asdict() for cell in block.cells]
    columns = [column._asdict() for column in block.columns]
    return block._asdict() | {"cells": cells, "columns": columns}


def _parse_with_boilerplate(settings: Settings, document: Document) -> Document:
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


@command("delete", fields=f"{field_names(DeletionReceipt)} ratings threads complete")
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
    footprint, footprint_after = receipt.before, receipt.after
    counts = [
        f"{words} {getattr(footprint, name)} -> {getattr(footprint_after, name)}"
        for name, words in _PARTS.items()
        if getattr(footprint, name) or name not in ("originals", "cells")
    ]
    yield f"deleted {clean(receipt.document)}"
    yield f"  {', '.join(counts)}; log {footprint_after.log_bytes} bytes"
    yield f"  {receipt.searches} searches for its passages: {receipt.found} still find it"
    if footprint_after.unmerged:
        words = f"words of {footprint_after.unmerged} deleted passages"
        yield f"  {words} remain in full-text files until the next merges"
    if ratings := quotes.get("ratings"):
        yield f"  {ratings} ratings that quoted it are deleted"
    if answers := quotes.get("threads"):
        yield f"  {answers} answers that quoted it are deleted from threads"
    for path in receipt.snapshots:
        yield f"  still in snapshot {clean(path)}"
