"""`Queue`, the interface of the queue from which workers ingest files, and how one file is
processed.

`rag.store.postgres.queue` implements it. A single server queues uploads on its disk instead
(`rag.server.upload_queue`), and processes each file in the same way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from rag.errors import RagError
from rag.ingestion.chunking import split_document
from rag.ingestion.pipeline import UPLOADED, Embedded, check_free, embed, put
from rag.parsing.base import ParseError
from rag.parsing.files import FoundFile, read_bytes
from rag.parsing.load import Loaded, load_data, load_some
from rag.protocols import Embedder, Store
from rag.types import MEMBER_SEPARATOR, Document

Load = Callable[[str, bytes], Loaded]
"""`rag.parsing.load.load_data`, or a `Pool`'s version of it."""
GRID = "//grid/"
"""Prefix of the name of a queue entry that asks a grid; no client's file has it."""
MOST_DEATHS = 2
"""How often a process may be killed while it works on a file; then the file is given up."""
DEADLY = "was given up: the service was killed twice while it worked on this file; split it"
_DEADLY_SECONDS = 2.0
"""Seconds of work on a file after which it is held responsible for a kill."""
_PAGE = 1000
_LISTED = 20
"""Maximum number of members that a message lists."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to ingest. `name`, with a suffix, becomes its id; `source` is a path or URI."""

    name: str
    source: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """Outcome for a file: "added", "updated", "unchanged" or "rejected", the ids of its documents,
    and in `detail` why it was rejected or which members were skipped or removed.
    """

    outcome: str
    documents: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Queued:
    """A queued file: job number, state ("waiting", "working", "failed"), error, time, batch, and
    the id of the key that sent it.
    """

    number: int
    name: str
    state: str
    error: str | None
    added: str
    batch: str = ""
    key_id: str = ""


@dataclass(frozen=True, slots=True)
class QueueState:
    """All unfinished files of a queue, in order of arrival."""

    jobs: tuple[Queued, ...]

    def count(self, state: str) -> int:
        return sum(job.state == state for job in self.jobs)


class Queue(Protocol):
    """Queue of files to ingest."""

    def enqueue(self, uploads: Sequence[Upload], batch: str = "", key_id: str = "") -> list[int]:
        """Queue all files durably, or none, in the turn of the key that sent them. Returns their
        job numbers.

        The outcomes of a `batch` can be queried for a day.
        """

    def results(self, batch: str) -> list[tuple[str, Done | None]]:
        """(name, outcome or None while it waits) of the batch's files, in order; [] if unknown."""

    def state(self) -> QueueState: ...

    def close(self) -> None: ...


@dataclass(slots=True)
class Enqueued:
    """Ids of the queued documents, and (path, reason) of unreadable files."""

    documents: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def enqueue(
    queue: Queue,
    files: Sequence[FoundFile],
    on_progress: Callable[[FoundFile], object] = lambda _: None,
) -> Enqueued:
    """Queue the files' contents, each in its own transaction, calling `on_progress` after each."""
    enqueued = Enqueued()
    for file in files:
        try:
            if file.reason:
                raise ParseError(file.reason)
            upload = Upload(file.document_id, str(file.path.resolve()), read_bytes(file.path))
        except ParseError as error:
            enqueued.skipped.append((str(file.path), str(error)))
        else:
            queue.enqueue([upload])
            enqueued.documents.append(file.document_id)
        on_progress(file)
    return enqueued


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file's documents, those that changed, embedded, and (member, reason) of unreadable ones."""

    upload: Upload
    documents: tuple[Document, ...]
    changed: tuple[Embedded, ...]
    skipped: tuple[tuple[str, str], ...] = ()


@contextmanager
def deaths_counted(count: Callable[[int], object]) -> Iterator[None]:
    """Calls `count(1)` after some seconds of this block, and `count(-1)` at its end. A process that
    is killed meanwhile leaves a count of 1, which means that it died.
    """
    counted = threading.Event()

    def begin() -> None:
        with suppress(RagError):
            count(1)
            counted.set()

    timer = threading.Timer(_DEADLY_SECONDS, begin)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if counted.is_set():
            with suppress(RagError):
                count(-1)


def put_upload(
    store: Store,
    embedder: Embedder,
    passage_tokens: int,
    upload: Upload,
    load: Load = load_data,
    keep_pdf: int = 0,
) -> Done:
    """Store the file's changed documents and remove those that it no longer contains. An uploaded
    PDF of at most `keep_pdf` bytes is kept too, to show its pages.

    Raises InputError if it cannot be read, ConflictError, before any change, if an id is taken.
    """
    return put_prepared(store, prepare(store, embedder, passage_tokens, upload, load), keep_pdf)


def prepare(
    store: Store, embedder: Embedder, passage_tokens: int, upload: Upload, load: Load = load_data
) -> Prepared:
    """Read the file and embed its changes; others may write meanwhile. Raises as `put_upload`."""
    loaded = load_some(upload.name, upload.data, load)
    documents = []
    for document in loaded.documents:
        member = document.source.removeprefix(upload.name)
        documents.append(replace(document, source=upload.source + member))

    stored = _checked(store, documents)
    splits = []
    for document in documents:
        owner = stored.get(document.id)
        is_same = owner is not None and _version_of(owner) == _version_of(document)
        if not is_same:
            passages = split_document(document, embedder.count_tokens, passage_tokens)
            splits.append((document, passages))

    skipped = []
    for source, reason in loaded.skipped:
        member = source.removeprefix(upload.name).removeprefix(MEMBER_SEPARATOR)
        skipped.append((member, reason))
    return Prepared(
        upload,
        tuple(documents),
        tuple(embed(embedder, splits)),
        tuple(skipped),
    )


def put_prepared(store: Store, prepared: Prepared, keep_pdf: int = 0) -> Done:
    """Store the prepared file under the write lock; `keep_pdf` as in `put_upload`. Raises
    ConflictError, before any change, if an id is no longer available.
    """
    with store.writing():
        stored = _checked(store, prepared.documents)
        added = put(store, prepared.changed).ids
        _update_digests(store, prepared, stored, added)
        removed = [part for part in _removed_ids(store, prepared) if store.delete(part)]
        _keep_original(store, prepared, keep_pdf)

    if not added and not removed:
        outcome = "unchanged"
    elif removed or stored:
        outcome = "updated"
    else:
        outcome = "added"

    ids = tuple(document.id for document in prepared.documents)
    return Done(outcome, ids, _detail(prepared.skipped, removed))


def _update_digests(
    store: Store, prepared: Prepared, stored: Mapping[str, Document], added: Collection[str]
) -> None:
    """Give unchanged members of a changed archive its new digest."""
    changed = {}
    for document in prepared.documents:
        if document.id in added:
            continue
        digest = document.container_sha256
        if stored[document.id].container_sha256 != digest:
            changed[document.id] = digest
    if changed:
        store.update_digests(changed)


def _keep_original(store: Store, prepared: Prepared, most_bytes: int) -> None:
    """Keep the file if it is a PDF, and not too large."""
    upload = prepared.upload
    types = {document.id: document.metadata.get("type") for document in prepared.documents}
    is_pdf = upload.source.startswith(UPLOADED) and types.get(upload.name) == "pdf"
    if not is_pdf or len(upload.data) > most_bytes:
        return
    # an unchanged one is written only if missing, as after a crash
    if store.original(upload.name) != upload.data:
        store.keep_original(upload.name, upload.data)


def _checked(store: Store, documents: Sequence[Document]) -> dict[str, Document]:
    """The index's documents with these ids. Raises ConflictError if an id is not available."""
    stored = {}
    for document in documents:
        owner = store.document(document.id)
        if owner:
            stored[document.id] = owner
    for document in documents:
        check_free(document.id, document.source, stored.get(document.id))
    return stored


def _removed_ids(store: Store, prepared: Prepared) -> list[str]:
    """Ids of documents that the file no longer contains; unreadable members are kept."""
    upload = prepared.upload
    kept_sources = {document.source for document in prepared.documents}
    for member, _ in prepared.skipped:
        kept_sources.add(f"{upload.source}{MEMBER_SEPARATOR}{member}")

    removed = []
    whole_document = store.document(upload.name)
    if (
        whole_document
        and whole_document.source == upload.source
        and whole_document.source not in kept_sources
    ):
        removed.append(whole_document.id)
    for document in _members(store, upload):
        if document.source not in kept_sources:
            removed.append(document.id)
    return removed


def _members(store: Store, upload: Upload) -> Iterator[Document]:
    """The stored documents of an archive, whose ids begin with its name."""
    prefix = f"{upload.name}/"
    member_source = upload.source + MEMBER_SEPARATOR
    last_id = prefix
    while True:
        page = store.documents(last_id, _PAGE)
        page = [document for document in page if document.id.startswith(prefix)]
        if not page:
            return
        for document in page:
            if document.source.startswith(member_source):
                yield document
        last_id = page[-1].id


def _detail(skipped: Sequence[tuple[str, str]], removed: Sequence[str]) -> str:
    lines = [f"{part} {reason}" for part, reason in skipped]
    lines += [f"{document_id} is removed" for document_id in removed]
    unlisted = len(lines) - _LISTED
    if unlisted > 0:
        lines = [*lines[:_LISTED], f"and {unlisted:,} more"]
    return "; ".join(lines)


def _version_of(document: Document) -> tuple[str, str, str]:
    return document.sha256, document.source, document.title
