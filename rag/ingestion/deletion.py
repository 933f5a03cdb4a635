"""Deletes documents, with receipts that count what the index held of them before and after."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from rag.ingestion.file_cache import Stamps
from rag.protocols import Footprint, Store, Vectors
from rag.types import Document, Passage

_SEARCHES = 50
"""Number of passages, spread over the document, that are searched for by text and vector."""
_DEPTH = 20
_READ_AGAIN = "deleted in part"
"""Stamp for the rest of an archive, so that its next ingestion reads the archive again."""

Forget = Callable[[Document], Mapping[str, int]]
"""Deletes users' ratings and threads' answers that quote a document. Returns their numbers."""


def forgotten(store: Store, document_id: str, forget: Forget | None) -> int:
    """Delete the quotes of a document that will be deleted, and return their number. Quotes go
    first: if the process is killed in between, they could not be found afterwards.
    """
    if not forget:
        return 0
    document = store.document(document_id)
    if not document:
        return 0
    return sum(forget(document).values())


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """Proof of deletion: `searches` for the document's passages were made, by words and by vector,
    and `found` of them found it.

    `snapshots` are older files that still contain it: delete them, or keep them knowingly.
    `unmerged` passages have left words in full-text files until their next merges; no search
    returns them. `log_bytes` is the size of the write-ahead log afterwards.
    """

    document: str
    source: str
    at: str
    generation: int
    before: Footprint
    after: Footprint
    searches: int
    found: int
    snapshots: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether no part of the index holds the document and no search finds it."""
        footprint = self.after
        is_indexed = footprint.documents or footprint.passages
        is_searchable = footprint.vectors or footprint.words
        is_kept = footprint.originals or footprint.cells
        return not (is_indexed or is_searchable or is_kept or self.found)


def delete(store: Store, ids: Sequence[str], stamps: Stamps | None = None) -> list[DeletionReceipt]:
    """Delete the documents that exist, also from `stamps`; erase and search for their remains."""
    with store.erasing():
        with store.writing():
            probes = []
            for document_id in dict.fromkeys(ids):
                document = store.document(document_id)
                if document:
                    probes.append(_probe(store, document))
            deleted = [probe for probe in probes if store.delete(probe[0].id)]
            _read_archives_again(store, [gone for gone, _, _ in deleted])
        store.vacuum()

        if stamps:
            stamps.forget([gone.source for gone, _, _ in deleted])
            stamps.save()
        return [_receipt(store, *probe) for probe in deleted]


def _read_archives_again(store: Store, deleted: Sequence[Document]) -> None:
    """Mark what is left of archives of which members were deleted."""
    archives = {document.file for document in deleted if document.container_sha256}
    if not archives:
        return
    remaining = [document.id for document in store.documents() if document.file in archives]
    store.update_digests(dict.fromkeys(remaining, _READ_AGAIN))


Pairs = list[tuple[Passage, Vectors]]


def _probe(store: Store, document: Document) -> tuple[Document, Footprint, Pairs]:
    """The document without its text, what the index holds of it, and passages to search for."""
    passages, vectors = store.embedded(document.id)
    step = max(1, len(passages) // _SEARCHES)
    probed_passages = passages[::step]
    probed_vectors = vectors[::step]
    pairs = list(zip(probed_passages, probed_vectors, strict=True))
    footprint = store.trace(document.id)
    return replace(document, text="", blocks=()), footprint, pairs


def _receipt(store: Store, gone: Document, footprint: Footprint, pairs: Pairs) -> DeletionReceipt:
    footprint_after = store.trace(gone.id, footprint.numbers)
    generation = store.stats().generation
    found = 0
    for passage, vector in pairs:
        found += _finds(store, gone.id, passage, vector)

    return DeletionReceipt(
        document=gone.id,
        source=gone.source,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        generation=generation,
        before=footprint,
        after=footprint_after,
        searches=2 * len(pairs),
        found=found,
        snapshots=footprint_after.snapshots,
    )


def _finds(store: Store, document_id: str, passage: Passage, vector: Vectors) -> int:
    """How many of the two searches for the passage return the document."""
    count = 0
    for result in (store.dense(vector, _DEPTH), store.lexical(passage.text, _DEPTH)):
        numbers = [number for number, _ in result]
        passages = store.passages(numbers).values()
        if any(found.document_id == document_id for found in passages):
            count += 1
    return count
