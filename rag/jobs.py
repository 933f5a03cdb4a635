"""What a queue of documents holds, and what a worker does with one file of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from rag.chunking.split import split
from rag.ingest import check_free, embed_and_put
from rag.loading.files import Found, Unreadable, load_bytes, read_bytes
from rag.protocols import Embedder, Store
from rag.types import Document

Load = Callable[[str, bytes], list[Document]]
"""`rag.loading.files.load_bytes`, or as a `Pool` does it."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came in. `name` is its document's id, with the suffix of its kind; `source` its absolute path or URI."""

    name: str
    source: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a file: "added", "updated", "unchanged", or "rejected" with the reason; and the ids of its documents."""

    outcome: str
    documents: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Queued:
    """A file in the queue: its job's number, and "waiting", "working" or "failed", then with the reason."""

    number: int
    name: str
    state: str
    error: str | None
    added: str


@dataclass(frozen=True, slots=True)
class State:
    """All files of a queue, in the order they came. What is done is not in it any more."""

    jobs: tuple[Queued, ...]

    def count(self, state: str) -> int:
        return sum(job.state == state for job in self.jobs)


class Queue(Protocol):
    """Files that wait to be put into an index."""

    def enqueue(self, uploads: Sequence[Upload], batch: str = "") -> list[int]:
        """Take the files in, all or none; the numbers of their jobs. On return they are durable.

        What becomes of those of a `batch` can be asked for a day.
        """

    def results(self, batch: str) -> list[tuple[str, Done | None]]:
        """(name, what became of it, None as long as it waits) of each file of the batch, in order; [] if there is none."""

    def state(self) -> State: ...

    def forget(self) -> int:
        """Take out the files that failed. How many."""

    def work(self, handle: Callable[[Upload], Done], wait: bool = True) -> None:
        """Do jobs until a signal stops it, or without `wait` until none is left."""

    def close(self) -> None: ...


@dataclass(slots=True)
class Enqueued:
    """Ids of what waits now, and files that cannot be read, with the reason."""

    documents: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def enqueue(queue: Queue, files: Sequence[Found], seen: Callable[[], object] = lambda: None) -> Enqueued:
    """Put the files' bytes into the queue, each in a transaction, calling `seen` after each."""
    done = Enqueued()
    for found in files:
        try:
            upload = Upload(found.document_id, str(found.path.resolve()), read_bytes(found.path))
        except Unreadable as error:
            done.skipped.append((str(found.path), str(error)))
        else:
            queue.enqueue([upload])
            done.documents.append(found.document_id)
        seen()
    return done


def put_upload(store: Store, embedder: Embedder, passage_tokens: int, upload: Upload, load: Load = load_bytes) -> Done:
    """Put the documents of the file in, those that have changed.

    Raises InputError if it cannot be read, ConflictError, before anything is put, if a name is not free for it.
    """
    loaded = load(upload.name, upload.data)
    documents = [replace(d, source=upload.source + d.source.removeprefix(upload.name)) for d in loaded]
    known = {document.id: store.document(document.id) for document in documents}
    for document in documents:
        check_free(document.id, document.source, known[document.id])
    changed = [document for document in documents if not _is_same(document, known[document.id])]
    embed_and_put(store, embedder, [(d, split(d, embedder.count_tokens, passage_tokens)) for d in changed])
    outcome = "unchanged" if not changed else "updated" if any(known.values()) else "added"
    return Done(outcome, tuple(document.id for document in documents))


def _is_same(document: Document, known: Document | None) -> bool:
    return known is not None and (known.sha256, known.source, known.title) == (document.sha256, document.source, document.title)
