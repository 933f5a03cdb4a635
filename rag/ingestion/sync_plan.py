"""Plans a sync of index and folder: files to read, and documents that are renamed or missing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from rag.errors import InputError
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import are_named_after, is_gone, note_link, why_name_is_taken
from rag.parsing.base import ParseError
from rag.parsing.files import FoundFile, is_in_index
from rag.parsing.formats import format_of
from rag.parsing.load import load
from rag.protocols import Store
from rag.types import Document

_FEW_DELETIONS = 5
_SHARE = 0.25
"""More deletions than the minimum, and than this share of the folder, need confirmation."""


@dataclass(slots=True)
class Plan:
    """The changes of an index that match the files of `root`, an absolute path."""

    store: Store
    stamps: Stamps
    root: Path
    to_read: list[FoundFile] = field(default_factory=list)
    renamed: list[tuple[Document, Document]] = field(default_factory=list)
    """Documents of missing files, and what they become; the text stays and is left out."""
    missing: list[Document] = field(default_factory=list)
    unchanged: list[Document] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Files that cannot be read, as far as that is known."""
    documents_before: int = 0
    """Number of the folder's documents before."""
    old_ids: set[str] = field(default_factory=set)
    """Ids of all documents before."""

    def fill(self, files: Iterable[FoundFile]) -> Self:
        """Plan the changes for `files`. Raises InputError if the names of all of them are taken by
        documents of other folders.
        """
        by_file: dict[str, list[Document]] = {}
        for document in self.store.documents():
            by_file.setdefault(document.file, []).append(document)
            self.old_ids.add(document.id)

        files_by_path = self._files_by_path(files, by_file)
        missing = {}
        for path, documents in by_file.items():
            if path not in files_by_path and self._has_left(path):
                missing[path] = documents

        self._classify(files_by_path, by_file, missing)

        ours = self._ours(by_file)
        self.documents_before = sum(len(by_file[path]) for path in ours)
        for path in ours:
            self.missing += missing.get(path, [])

        self._check_names(by_file)
        return self

    def _classify(
        self,
        files_by_path: Mapping[str, FoundFile],
        by_file: Mapping[str, list[Document]],
        missing: dict[str, list[Document]],
    ) -> None:
        """Which files are unchanged, renamed, unreadable or to be read. The documents of renamed
        ones are no longer `missing`.
        """
        by_digest = {}
        for path in reversed(missing):  # of several with the same content, the first
            by_digest[missing[path][0].file_sha256] = path

        for path, file in files_by_path.items():
            documents = by_file.get(path, [])
            digest = ""
            if documents or by_digest:
                digest = self.stamps.digest(file.path)

            if documents and all(document.file_sha256 == digest for document in documents):
                self.unchanged += documents
                self.skipped += self.stamps.skipped(file.path)
                continue

            missing_path = "" if documents else by_digest.get(digest, "")
            renamed = self._renamed(missing[missing_path], file) if missing_path else []
            if renamed:
                self.renamed += renamed
                del missing[missing_path]
                del by_digest[digest]
                continue

            reason = _unsupported(file.path)
            if reason:
                self.skipped.append((str(file.path), reason))
                continue

            skipped = self.stamps.skipped(file.path)
            if skipped:
                self.skipped += skipped
            else:
                self.to_read.append(file)

    def _ours(self, by_file: Mapping[str, object]) -> list[str]:
        """The paths of this folder's documents, and of those of missing folders whose files have
        moved here under the same names.
        """
        folders = {_folder_of(old) for old, new in self.renamed if old.id == new.id}
        moved = [folder for folder in folders if folder and is_gone(str(folder))]

        ours = []
        for path in by_file:
            if self._is_ours(path) or any(is_under(path, folder) for folder in moved):
                ours.append(path)
        return ours

    @property
    def refusal(self) -> str:
        """Why so many deletions need confirmation; "" if they do not."""
        count = len(self.missing)
        is_everything = 0 < count == self.documents_before
        are_many = count > _FEW_DELETIONS and count > _SHARE * self.documents_before
        if not is_everything and not are_many:
            return ""
        these = f"{count} of the {self.documents_before} documents of {self.root}"
        return f"{these} are missing; nothing was changed"

    def _files_by_path(
        self, files: Iterable[FoundFile], by_file: Mapping[str, Sequence[Document]]
    ) -> dict[str, FoundFile]:
        """The files by path, with links resolved; those that are no files are skipped."""
        by_path: dict[str, FoundFile] = {}
        for file in files:
            reason = file.why_not
            if reason:
                self.skipped.append((str(file.path), reason))
                continue

            path = file.path.resolve()
            by_path[str(path)] = FoundFile(path, file.document_id)
            note_link(self.stamps, file, by_file.get(str(path), []))
        return by_path

    def _check_names(self, by_file: Mapping[str, Sequence[Document]]) -> None:
        """Skip files whose ids remaining documents have. Raises InputError if nothing is left."""
        owners = self._remaining_documents(by_file)
        readable: list[FoundFile] = []
        refused: list[tuple[str, str]] = []

        for file in self.to_read:
            owner = owners.get(file.document_id)
            if owner is None or self._may_replace(owner, file):
                readable.append(file)
            else:
                refused.append((str(file.path), why_name_is_taken(owner)))

        self.to_read = readable
        self.skipped += refused

        is_anything_left = readable or self.renamed or self.unchanged or self.missing
        if refused and not is_anything_left:
            path, reason = refused[0]
            message = f"nothing in {self.root} can be ingested: {path}: {reason}"
            raise InputError(message, f"rag sync {self.root} --name ANOTHER")

    def _may_replace(self, owner: Document, file: FoundFile) -> bool:
        """Whether the file may have the id of a document: it is the same file, or the file has
        moved here.
        """
        if owner.file == str(file.path):
            return True
        return is_gone(owner.file) and owner.file_sha256 == self.stamps.digest(file.path)

    def _remaining_documents(
        self, by_file: Mapping[str, Sequence[Document]]
    ) -> dict[str, Document]:
        """The documents that stay under their id, by id."""
        going = {document.id for document in self.missing}
        for old, _ in self.renamed:
            going.add(old.id)

        remaining = {}
        for documents in by_file.values():
            for document in documents:
                if document.id not in going:
                    remaining[document.id] = document
        return remaining

    def _is_ours(self, file: str) -> bool:
        """Whether the file is in the folder, or was found through a link in it."""
        return is_under(file, self.root) or is_under(self.stamps.link(file), self.root)

    def _has_left(self, file: str) -> bool:
        """Whether the file is gone, is no longer linked from the folder, or is the index's own."""
        link = self.stamps.link(file)
        if is_under(link, self.root):
            is_unlinked = is_gone(link) or os.path.realpath(link) != file
            if is_unlinked:
                return True
        return is_gone(file) or is_in_index(file, self.root)

    def _renamed(
        self, missing: Sequence[Document], file: FoundFile
    ) -> list[tuple[Document, Document]]:
        """The documents of a missing file and what they become as those of `file`, which has its
        content. [] if they would be read differently or their new ids are not free. [] also if the
        missing file may be on an unmounted disk, unless it has the same name here.
        """
        if not (self._is_ours(missing[0].file) or are_named_after(missing, file)):
            return []
        try:
            loaded = {document.sha256: document for document in load(file).documents}
        except ParseError:
            return []

        found = [loaded[document.sha256] for document in missing if document.sha256 in loaded]
        if len({document.id for document in found}) != len(missing):
            return []

        renamed = []
        for old, new in zip(missing, found, strict=True):
            if not self._can_become(old, new):
                return []
            renamed.append((old, replace(new, text="", blocks=())))
        return renamed

    def _can_become(self, old: Document, new: Document) -> bool:
        """Whether the stored document is read as before, and its new id is free."""
        stored = self.store.document(old.id)
        if stored is None or stored.text != new.text or stored.blocks != new.blocks:
            return False
        if new.id == old.id:
            return True
        owner = self.store.document(new.id)
        return owner is None or is_gone(owner.file)


def _unsupported(path: Path) -> str:
    try:
        if not os.path.isdir(path):  # a folder that cannot be opened
            format_of(path.name, b"")
    except ParseError as error:
        return str(error)
    return ""


def _folder_of(document: Document) -> Path | None:
    """The folder that was ingested; None for a member of a file, or a file with another id."""
    _, _, relative_path = document.id.partition("/")
    if not relative_path or not document.source.endswith(f"/{relative_path}"):
        return None
    return Path(document.source.removesuffix(f"/{relative_path}"))


def is_under(source: str, root: Path) -> bool:
    if source == str(root):
        return True
    folder = f"{root}{os.sep}".replace("//", "/")
    return source.startswith(folder)
