"""`Queue`, the interface of the queue from which workers ingest files, and how one file is
processed.

`rag.store.postgres.queue` implements it. A single server queues uploads on its disk instead
(`rag.server.upload_queue`), and processes each file in the same way.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Protocol

from rag.errors import RagError
from rag.ingestion.chunking import split
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
class State:
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

    def state(self) -> State: ...

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
    is killed meanwhile leaves a count of 1, which stands for a death.
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
    documents = tuple(
        replace(d, source=upload.source + d.source.removeprefix(upload.name))
        for d in loaded.documents
    )
    stored = _checked(store, documents)
    changed = [d for d in documents if d.id not in stored or _state(stored[d.id]) != _state(d)]
    splits = [(d, split(d, embedder.count_tokens, passage_tokens)) for d in changed]
    skipped = tuple(
        (source.removeprefix(upload.name).removeprefix(MEMBER_SEPARATOR), reason)
        for source, reason in loaded.skipped
    )
    return Prepared(upload, documents, tuple(embed(embedder, splits)), skipped)


def put_prepared(store: Store, prepared: Prepared, keep_pdf: int = 0) -> Done:
    """Store the prepared file under the write lock; `keep_pdf` as in `put_upload`. Raises
    ConflictError, before any change, if an id is no longer available.
    """
    with store.writing():
        stored = _checked(store, prepared.documents)
        added = put(store, prepared.changed).ids

        digests = {d.id: d.container_sha256 for d in prepared.documents if d.id not in added}
        digests_before = {d.id: d.container_sha256 for d in stored.values()}
        if changed := {
            name: digest for name, digest in digests.items() if digests_before[name] != digest
        }:
            store.update_digests(changed)

        removed = [part for part in _removed(store, prepared) if store.delete(part)]

        upload = prepared.upload
        of_type = {document.id: document.metadata.get("type") for document in prepared.documents}
        is_pdf = upload.source.startswith(UPLOADED) and of_type.get(upload.name) == "pdf"

        # an unchanged one is written only if missing, as after a crash
        if is_pdf and len(upload.data) <= keep_pdf and store.original(upload.name) != upload.data:
            store.keep_original(upload.name, upload.data)

    outcome = "updated" if removed or stored else "added"
    if not added and not removed:
        outcome = "unchanged"

    ids = tuple(document.id for document in prepared.documents)
    return Done(outcome, ids, _detail(prepared.skipped, removed))


def _checked(store: Store, documents: Sequence[Document]) -> dict[str, Document]:
    """The index's documents with these ids. Raises ConflictError if an id is not available."""
    stored = {d.id: owner for d in documents if (owner := store.document(d.id))}
    for document in documents:
        check_free(document.id, document.source, stored.get(document.id))
    return stored


def _removed(store: Store, prepared: Prepared) -> list[str]:
    """Ids of documents that the file no longer contains; unreadable members are kept."""
    upload = prepared.upload
    sources = {d.source for d in prepared.documents}
    sources |= {f"{upload.source}{MEMBER_SEPARATOR}{part}" for part, _ in prepared.skipped}
    as_document = store.document(upload.name)
    parts = [as_document] if as_document and as_document.source == upload.source else []
    last_id = prefix = f"{upload.name}/"
    while page := [d for d in store.documents(last_id, _PAGE) if d.id.startswith(prefix)]:
        parts += [d for d in page if d.source.startswith(upload.source + MEMBER_SEPARATOR)]
        last_id = page[-1].id
    return [document.id for document in parts if document.source not in sources]


def _detail(skipped: Sequence[tuple[str, str]], removed: Sequence[str]) -> str:
    lines = [f"{part} {reason}" for part, reason in skipped]
    lines += [f"{document_id} is removed" for document_id in removed]
    if len(lines) > _LISTED:
        lines[_LISTED:] = [f"and {len(lines) - _LISTED:,} more"]
    return "; ".join(lines)


def _state(document: Document) -> tuple[str, str, str]:
    return document.sha256, document.source, document.title
