"""Ingestion: load files and index their documents. Unchanged files are skipped."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rag.errors import ConflictError, InputError
from rag.ingestion.deletion import Forget, forgotten
from rag.ingestion.file_cache import Stamps, status_of
from rag.ingestion.pipeline import UPLOADED, Stored, batches, check_free, put, retry_while_busy
from rag.ingestion.repeated_blocks import without_recurring
from rag.parsing.base import ParseError
from rag.parsing.files import FoundFile
from rag.parsing.formats import SUPPORTED, UNSUPPORTED
from rag.parsing.load import Loaded
from rag.parsing.pool import Loader, ParseTask, one_by_one
from rag.protocols import Embedder, Store
from rag.types import Document

OnFileDone = Callable[[FoundFile], object]
"""Called for each file that is stored or needs no storing."""


@dataclass(slots=True)
class IngestReport:
    """Outcome of a run: ids of documents, and (path, reason) of skipped files."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    passages: int = 0
    removed: list[str] = field(default_factory=list)
    """Members that are no longer in their archive or mailbox."""
    quotes: int = 0
    """Number of deleted ratings and answers of threads that quoted removed documents."""
    left_out: int = 0
    """Number of characters of boilerplate (navigation, running heads) left out of the texts."""


@dataclass(slots=True)
class Ingest:
    """Runs over files; `report` is that of the latest run, updated as it proceeds.

    `stamps` avoids hashing unchanged files; `loader` reads files. Unless `keep_furniture`, what
    recurs on the pages of a folder is dropped. `forget` deletes quotes of removed documents.
    """

    store: Store
    embedder: Embedder
    passage_tokens: int
    stamps: Stamps = field(default_factory=Stamps)
    loader: Loader = one_by_one
    keep_furniture: bool = False
    forget: Forget | None = None
    report: IngestReport = field(default_factory=IngestReport, init=False)
    _by_source: dict[str, Document] = field(default_factory=dict, init=False)
    _by_file: dict[str, list[Document]] = field(default_factory=dict, init=False)
    _by_id: dict[str, Document] = field(default_factory=dict, init=False)
    _ids_before: frozenset[str] = field(default=frozenset(), init=False)
    _met: set[Path] = field(default_factory=set, init=False)
    _status: dict[Path, str] = field(default_factory=dict, init=False)
    """status of files before they are read"""

    def run(
        self,
        files: Iterable[FoundFile],
        on_progress: OnFileDone = lambda _: None,
        report: IngestReport | None = None,
    ) -> IngestReport:
        """Ingest the files, calling `on_progress` for each one that is stored or needs no storing,
        and add to the `report` if there is one.

        The index is locked only while a batch is stored. Stored documents remain, even after an
        error, Ctrl-C or a kill, and are in `report`. Without a report to add to, raises InputError
        if none of the files could be read.
        """
        self.report = report or IngestReport()
        self._met = set()
        with self.store.writing():  # reports another writer before anything is read
            self._load_state()
        try:
            self._read(files, on_progress)
        finally:
            self.stamps.save()
        if report is None:
            self._check_any()
        return self.report

    def _read(self, files: Iterable[FoundFile], on_progress: OnFileDone) -> None:
        """Read the files, and store their documents in batches."""
        results = self.loader(self._jobs(files, on_progress))
        if not self.keep_furniture:
            results = without_recurring(results, self.stamps.furniture)

        documents_of_files = (
            (job.found, self._documents_to_store(job.found, loaded)) for job, loaded in results
        )
        for files_read, batch in batches(documents_of_files, self.embedder, self.passage_tokens):
            if batch:
                self._record(retry_while_busy(functools.partial(put, self.store, batch)))
            for file in files_read:
                on_progress(file)

    def _record(self, stored: Stored) -> None:
        """Add what was stored of a batch to the report."""
        report = self.report
        for document, why in stored.refused:
            report.skipped.append((document.source, f"{why.message}; {why.hint}"))

        report.passages += stored.passages
        for document_id in stored.ids:
            if document_id in self._ids_before:
                report.updated.append(document_id)
            else:
                report.added.append(document_id)

    def _load_state(self) -> None:
        documents = [_state_of(document) for document in self.store.documents()]
        self._by_source = {document.source: document for document in documents}
        self._by_id = {document.id: document for document in documents}
        self._ids_before = frozenset(self._by_id)
        self._by_file = {}
        for document in documents:
            self._by_file.setdefault(document.file, []).append(document)

    def _jobs(self, files: Iterable[FoundFile], on_progress: OnFileDone) -> Iterator[ParseTask]:
        """The files that are new or have changed."""
        for file in files:
            reason = file.why_not
            if reason:
                self.report.skipped.append((str(file.path), reason))
                on_progress(file)
                continue

            path = file.path.resolve()
            documents = self._by_file.get(str(path), [])
            note_link(self.stamps, file, documents)
            if path in self._met or self._needs_no_reading(path, documents):
                on_progress(file)
            else:
                self._status[path] = status_of(path)
                digests = {document.source: document.sha256 for document in documents}
                yield ParseTask(FoundFile(path, file.document_id), digests)
            self._met.add(path)  # it may be given twice, or linked

    def _needs_no_reading(self, path: Path, documents: Sequence[Document]) -> bool:
        """Whether the file has not changed, or is known to be unreadable; records which."""
        if documents:
            digests = {document.file_sha256 for document in documents}
            if {self.stamps.digest(path)} == digests:
                self.report.unchanged += [document.id for document in documents]
                self.report.skipped += self.stamps.skipped(path)
                return True

        skipped = self.stamps.skipped(path)
        self.report.skipped += skipped
        return bool(skipped)

    def _documents_to_store(
        self, file: FoundFile, loaded: Loaded | ParseError
    ) -> Iterator[Document]:
        """New or changed documents of a file; records unchanged and removed ones."""
        status = self._status.pop(file.path, "")
        if isinstance(loaded, ParseError):
            skipped = [(str(file.path), str(loaded))]
            self.report.skipped += skipped
            self.stamps.note(file.path, status, [] if loaded.transient else skipped)
            return

        self._record_unchanged(loaded)
        for document in loaded.documents:
            try:
                document = self._with_free_id(document)
            except ParseError as error:
                self.report.skipped.append((document.source, str(error)))
                continue

            state = _state_of(document)
            self._by_source[document.source] = state
            self._by_id[document.id] = state
            yield document

        self.report.skipped += loaded.skipped
        self.report.left_out += loaded.left_out

        kept_sources = set(loaded.same)
        kept_sources.update(document.source for document in loaded.documents)
        kept_sources.update(source for source, _ in loaded.skipped)
        self._delete(file, kept_sources)

        self.stamps.digest(file.path)
        self.stamps.note(file.path, status, loaded.skipped)

    def _record_unchanged(self, loaded: Loaded) -> None:
        """Record the unchanged documents of a file, with the digest of a changed archive."""
        archive_digests = {}
        for source in loaded.same:
            document = self._by_source[source]
            self.report.unchanged.append(document.id)
            if document.container_sha256 not in ("", loaded.sha256):
                archive_digests[document.id] = loaded.sha256
        if archive_digests:
            retry_while_busy(functools.partial(self.store.update_digests, archive_digests))

    def _delete(self, file: FoundFile, kept_sources: Collection[str]) -> None:
        """Delete the documents that the file no longer contains."""
        for document in self._by_file.get(str(file.path), []):
            if document.source in kept_sources:
                continue
            self.report.quotes += forgotten(self.store, document.id, self.forget)
            existed = retry_while_busy(functools.partial(self.store.delete, document.id))
            if existed:
                self._by_id.pop(document.id, None)
                self.report.removed.append(document.id)

    def _with_free_id(self, document: Document) -> Document:
        """The document with its id in the index. Raises ParseError if the id is another's. It may
        be taken over from a missing file (the folder was moved) by one with the same content; never
        from an existing file, one on an unavailable disk, or an upload.
        """
        stored_document = self._by_source.get(document.source)
        if stored_document:
            document = replace(document, id=stored_document.id)

        owner = self._by_id.get(document.id)
        try:
            check_free(document.id, document.source, owner)
        except ConflictError as error:
            raise ParseError(f"{error.message}; {error.hint}") from error

        if owner is None or owner.source == document.source or is_only_name(owner.source):
            return document
        if owner.sha256 != document.sha256 or not is_gone(owner.file):
            raise ParseError(why_name_is_taken(owner))
        return document

    def _check_any(self) -> None:
        report = self.report
        if report.added or report.updated or report.unchanged or not report.skipped:
            return

        path, reason = report.skipped[0]
        other_count = len(report.skipped) - 1
        count_left = f" (and {other_count} more)" if other_count else ""
        message = f"none of the files can be read: {path} {reason}{count_left}"
        is_format = any(why.startswith(UNSUPPORTED) for _, why in report.skipped)
        hint = f"rag ingest PATH reads {SUPPORTED}" if is_format else "correct it, or name others"
        raise InputError(message, hint)


def are_named_after(documents: Iterable[Document], file: FoundFile) -> bool:
    """Whether the documents have the id of this file, or of a member of it."""
    file_id = f"{file.document_id}/"
    return all(f"{document.id}/".startswith(file_id) for document in documents)


def note_link(stamps: Stamps, file: FoundFile, documents: Sequence[Document]) -> None:
    """Record the link that led to a file, unless its `documents` have another path."""
    path = file.path.resolve()
    is_link = file.path != path
    if is_link and are_named_after(documents, file):
        stamps.note_link(path, file.path)


def why_name_is_taken(owner: Document) -> str:
    """Why another file cannot have the id of this document."""
    message = f"its name {owner.id} is taken by {owner.source}"
    rename = "give the folder another name with --name"
    if is_gone(owner.file):
        return f"{message}, which no longer exists; {rename}, or run: rag delete {owner.id}"
    return f"{message}; {rename}"


def is_only_name(source: str) -> bool:
    """Whether a restored snapshot had the document from elsewhere, so that its file is unknown."""
    is_path = os.path.isabs(source)
    is_address = source.startswith(UPLOADED) or "://" in source
    return not is_path and not is_address


def is_gone(source: str) -> bool:
    """Whether the system reports the path as missing, not merely as inaccessible."""
    if not os.path.isabs(source):  # a URI
        return False
    try:
        os.stat(source)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def _state_of(document: Document) -> Document:
    """The document without its text, as needed until the end of a run over many files."""
    return replace(document, text="", metadata={}, blocks=(), pages=())
