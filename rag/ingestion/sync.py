"""A folder and the index made equal: what is new comes in, what has changed is replaced, what is gone is taken out.

Files are told apart by content. One that has moved keeps its passages and their vectors: nothing is embedded again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rag.errors import InputError
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest, note_link
from rag.parsing.load import Found, Unreadable, is_in_index, load, no_file
from rag.parsing.pool import Loader, one_by_one
from rag.protocols import Embedder, Store
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
    renamed: list[tuple[list[Document], Found]] = field(default_factory=list)
    """The documents of a file that is gone, and the file that has its content now."""
    gone: list[Document] = field(default_factory=list)
    unchanged: list[Document] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """What could not be read before, of files that have not changed."""
    under: int = 0
    """Documents of the folder before."""


class Sync:
    """One folder, `root`, against one index."""

    def __init__(
        self, store: Store, embedder: Embedder, passage_tokens: int, stamps: Stamps, loader: Loader = one_by_one
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._passage_tokens = passage_tokens
        self._stamps = stamps
        self._loader = loader

    def run(self, root: Path, files: Iterable[Found], many: bool = False, seen: Callable[[], object] = lambda: None) -> Changes:
        """Make the index equal to `files`, which are all that stand under `root`, an absolute path.

        Raises InputError, before anything is changed, if so much is gone that the folder may just not be mounted; with
        `many` that is done all the same. Each document's change is durable by itself: run again after a kill.
        """
        with self._store.writing():
            plan = self._plan(root, files)
            if not many:
                _guard(plan, root)
            changes = self._apply(plan, seen)
            self._stamps.keep({document.file for document in self._store.documents()})
        self._stamps.save()
        return changes

    def preview(self, root: Path, files: Iterable[Found]) -> Changes:
        """What `run` would do. A file that turns out not to be readable is among the added here."""
        plan = self._plan(root, files)
        known = {document.file for document in self._store.documents()}
        changes = _done_without_reading(plan)
        for found in plan.to_read:
            (changes.updated if str(found.path) in known else changes.added).append(found.document_id)
        changes.dry_run = True
        return changes

    def _plan(self, root: Path, files: Iterable[Found]) -> _Plan:
        by_file: dict[str, list[Document]] = {}
        for document in self._store.documents():
            by_file.setdefault(document.file, []).append(document)
        found: dict[str, Found] = {}
        nowhere: list[tuple[str, str]] = []
        for one in files:
            if reason := no_file(one.path):
                nowhere.append((str(one.path), reason))
                continue
            path = one.path.resolve()
            found[str(path)] = Found(path, one.document_id)
            note_link(self._stamps, one, by_file.get(str(path), []))
        gone = {file: here for file, here in by_file.items() if file not in found and self._has_left(file, root)}
        by_digest = {here[0].file_sha256: file for file, here in reversed(gone.items())}
        plan = _Plan(skipped=nowhere, under=sum(len(here) for file, here in by_file.items() if self._is_of(file, root)))
        for file, one in found.items():
            known = by_file.get(file, [])
            digest = self._stamps.digest(one.path) if known or by_digest else ""
            if known and all(document.file_sha256 == digest for document in known):
                plan.unchanged += known
                plan.skipped += self._stamps.skipped(one.path)
            elif not known and digest in by_digest and self._may_take(by_digest[digest], gone, one, root):
                plan.renamed.append((gone.pop(by_digest.pop(digest)), one))
            elif skipped := self._stamps.skipped(one.path):
                plan.skipped += skipped
            else:
                plan.to_read.append(one)
        plan.gone = [document for file, here in gone.items() if self._is_of(file, root) for document in here]
        return plan

    def _may_take(self, file: str, gone: Mapping[str, Sequence[Document]], one: Found, root: Path) -> bool:
        """What is gone from elsewhere may be on a disk that is not mounted, unless it has come here under its own name."""
        named = all(f"{document.id}/".startswith(f"{one.document_id}/") for document in gone[file])
        return self._is_of(file, root) or named

    def _is_of(self, file: str, root: Path) -> bool:
        """Whether it stands in the folder, or came by a link that stands or stood there."""
        return is_under(file, root) or is_under(self._stamps.link(file), root)

    def _has_left(self, file: str, root: Path) -> bool:
        link = self._stamps.link(file)
        unlinked = is_under(link, root) and (_is_gone(link) or os.path.realpath(link) != file)
        return unlinked or _is_gone(file) or is_in_index(file, root)

    def _apply(self, plan: _Plan, seen: Callable[[], object]) -> Changes:
        changes, to_read, gone = _done_without_reading(plan), list(plan.to_read), list(plan.gone)
        changes.renamed, changes.removed = [], []
        for old, found in plan.renamed:
            if new := self._rename(old, found):
                changes.renamed += [(a.id, b.id) for a, b in zip(old, new, strict=True)]
            else:
                to_read.append(found)
                gone += old
        # What stands elsewhere goes first: as long as it is there, no other file may have its name.
        left = {document.id for document in gone if not _is_gone(document.file) and self._store.delete(document.id)}
        self._read(to_read, changes, seen)
        put = {*changes.added, *changes.updated}  # a name that went to another file
        unnamed = [document.id for document in gone if document.id not in put]
        changes.removed += [document_id for document_id in unnamed if document_id in left or self._store.delete(document_id)]
        return changes

    def _rename(self, old: Sequence[Document], found: Found) -> list[Document]:
        """The documents under their new names, with the passages and vectors that they had; none if that cannot be."""
        try:
            loaded = {document.sha256: document for document in load(found).documents}
        except Unreadable:
            return []
        new = [loaded[document.sha256] for document in old if document.sha256 in loaded]
        if len({document.id for document in new}) != len(old) or not all(self._same(a, b) for a, b in zip(old, new, strict=True)):
            return []
        for before, document in zip(old, new, strict=True):
            passages, vectors = self._store.embedded(before.id)
            kept = [replace(passage, document_id=document.id, title=document.title) for passage in passages]
            self._store.put(document, kept, vectors, instead_of=before.id)
        return new

    def _same(self, old: Document, new: Document) -> bool:
        """Whether they are read as they were, and the new name is free."""
        before, taken = self._store.document(old.id), self._store.document(new.id) if new.id != old.id else None
        free = taken is None or _is_gone(taken.file)
        return free and before is not None and (before.text, before.sections) == (new.text, new.sections)

    def _read(self, files: Sequence[Found], changes: Changes, seen: Callable[[], object]) -> None:
        if not files:
            return
        ingest = Ingest(self._store, self._embedder, self._passage_tokens, self._stamps, self._loader)
        try:
            ingest.run(files, seen)
        except InputError:
            if not ingest.report.skipped:
                raise
        report = ingest.report
        changes.added, changes.updated, changes.removed = report.added, report.updated, report.removed
        changes.unchanged += report.unchanged
        changes.skipped += report.skipped
        changes.passages = report.passages


def _done_without_reading(plan: _Plan) -> Changes:
    renamed = [(document.id, found.document_id) for old, found in plan.renamed for document in old]
    removed, unchanged = [d.id for d in plan.gone], [d.id for d in plan.unchanged]
    return Changes(renamed=renamed, removed=removed, unchanged=unchanged, skipped=list(plan.skipped))


def _guard(plan: _Plan, root: Path) -> None:
    gone = len(plan.gone)
    if 0 < gone == plan.under or (gone > _FEW and gone > _SHARE * plan.under):
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
