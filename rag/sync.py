"""A folder and the index made equal: what is new comes in, what has changed is replaced, what is gone is taken out.

Files are told apart by content. One that has moved keeps its passages and their vectors: nothing is embedded again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rag.errors import InputError
from rag.ingest import Ingest
from rag.loading.files import Found, Unreadable, read
from rag.protocols import Embedder, Store
from rag.stamps import digest, stamp
from rag.types import Document

_FEW = 5
_SHARE = 0.25
"""More documents than this, and a larger share of the folder's, are not taken out unasked."""


@dataclass(slots=True)
class Changes:
    """What a run did, or would do: ids of documents; (old id, new id) of renamed ones; (path, reason) of skipped files."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    passages: int = 0
    dry_run: bool = False

    @property
    def any(self) -> bool:
        return bool(self.added or self.updated or self.renamed or self.removed)


@dataclass(slots=True)
class _Plan:
    to_read: list[Found] = field(default_factory=list)
    renamed: list[tuple[Document, Found]] = field(default_factory=list)
    gone: list[Document] = field(default_factory=list)
    unchanged: list[Document] = field(default_factory=list)
    under: int = 0
    """Documents of the folder before."""
    stamps: dict[str, str] = field(default_factory=dict)
    """New ones, of unchanged documents."""


class Sync:
    """One folder, `root`, against one index."""

    def __init__(self, store: Store, embedder: Embedder, passage_tokens: int) -> None:
        self._store = store
        self._embedder = embedder
        self._passage_tokens = passage_tokens

    def run(self, root: Path, files: Iterable[Found], many: bool = False, seen: Callable[[], object] = lambda: None) -> Changes:
        """Make the index equal to `files`, which are all that stand under `root`, an absolute path.

        Raises InputError, before anything is changed, if so much is gone that the folder may just not be mounted; with
        `many` that is done all the same. Each document's change is durable by itself: run again after a kill.
        """
        with self._store.writing():
            plan = self._plan(root, files)
            if not many:
                _guard(plan, root)
            if plan.stamps:
                self._store.restamp(plan.stamps)
            return self._apply(plan, seen)

    def preview(self, root: Path, files: Iterable[Found]) -> Changes:
        """What `run` would do. A file that turns out not to be readable is among the added here."""
        plan = self._plan(root, files)
        known = {document.source for document in self._store.documents()}
        changes = _done_without_reading(plan)
        for found in plan.to_read:
            (changes.updated if str(found.path) in known else changes.added).append(found.document_id)
        changes.dry_run = True
        return changes

    def _plan(self, root: Path, files: Iterable[Found]) -> _Plan:
        documents = self._store.documents()
        by_source = {document.source: document for document in documents}
        found = {str(one.path): one for one in (Found(f.path.resolve(), f.document_id) for f in files)}
        under = [d for d in documents if is_under(d.source, root)]
        plan = _Plan(under=len(under), gone=[d for d in under if d.source not in found and _is_gone(d.source)])
        lost = {d.sha256: d for d in reversed(documents) if d.source not in found and _is_gone(d.source)}
        for source, one in found.items():
            known = by_source.get(source)
            if known and _is_unchanged(known, one.path, plan.stamps):
                plan.unchanged.append(known)
            elif not known and lost and (old := lost.pop(digest(one.path), None)):
                plan.renamed.append((old, one))
            else:
                plan.to_read.append(one)
        moved = {old.id for old, _ in plan.renamed}
        plan.gone = [d for d in plan.gone if d.id not in moved]
        return plan

    def _apply(self, plan: _Plan, seen: Callable[[], object]) -> Changes:
        changes = _done_without_reading(plan)
        changes.renamed, to_read = [], list(plan.to_read)
        for old, found in plan.renamed:
            if self._rename(old, found):
                changes.renamed.append((old.id, found.document_id))
            else:
                to_read.append(found)
                plan.gone.append(old)
        self._read(to_read, changes, seen)
        put = {*changes.added, *changes.updated}  # a name that went to another file
        changes.removed = [d.id for d in plan.gone if d.id not in put and self._store.delete(d.id)]
        return changes

    def _rename(self, old: Document, found: Found) -> bool:
        """Whether the old document's passages could be kept under the new name."""
        before = self._store.document(old.id)
        taken = self._store.document(found.document_id) if found.document_id != old.id else None
        if before is None or (taken and not _is_gone(taken.source)):
            return False
        try:
            document = read(found)
        except Unreadable:
            return False
        if document.text != before.text or document.sections != before.sections:  # read by another parser now
            return False
        passages, vectors = self._store.embedded(old.id)
        kept = [replace(passage, document_id=document.id, title=document.title) for passage in passages]
        self._store.put(document, kept, vectors, instead_of=old.id)
        return True

    def _read(self, files: Sequence[Found], changes: Changes, seen: Callable[[], object]) -> None:
        if not files:
            return
        ingest = Ingest(self._store, self._embedder, self._passage_tokens)
        try:
            ingest.run(files, seen)
        except InputError:
            if not ingest.report.skipped:
                raise
        report = ingest.report
        changes.added, changes.updated = report.added, report.updated
        changes.unchanged += report.unchanged
        changes.skipped, changes.passages = report.skipped, report.passages


def _is_unchanged(known: Document, path: Path, stamps: dict[str, str]) -> bool:
    """By its stamp or, where that says nothing, by its content; then its new stamp is noted."""
    found = stamp(path)
    if found and found == known.stamp:
        return True
    if digest(path) != known.sha256:
        return False
    if found and found == stamp(path):
        stamps[known.id] = found
    return True


def _done_without_reading(plan: _Plan) -> Changes:
    renamed = [(old.id, found.document_id) for old, found in plan.renamed]
    return Changes(renamed=renamed, removed=[d.id for d in plan.gone], unchanged=[d.id for d in plan.unchanged])


def _guard(plan: _Plan, root: Path) -> None:
    gone = len(plan.gone)
    everything = gone == plan.under > 1 and not plan.to_read
    if everything or (gone > _FEW and gone > _SHARE * plan.under):
        message = f"{gone} of the {plan.under} documents of {root} are gone; nothing was changed"
        raise InputError(message, "if they are meant to go: rag sync --allow-mass-delete, after a look with --dry-run")


def is_under(source: str, root: Path) -> bool:
    return source == str(root) or source.startswith(f"{root}{os.sep}".replace("//", "/"))


def _is_gone(source: str) -> bool:
    """Only a path of which the system says that it is not there; a file or folder without access is not gone."""
    if not os.path.isabs(source):  # a URI
        return False
    try:
        os.stat(source)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False
