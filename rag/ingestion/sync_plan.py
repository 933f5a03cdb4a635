"""Plans a sync of index and folder: files to read, and documents that are renamed or missing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from rag.errors import InputError
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import are_named_after, is_gone, note_link, taken
from rag.parsing.base import ParseError
from rag.parsing.files import FoundFile, is_in_index
from rag.parsing.formats import format_of
from rag.parsing.load import load
from rag.protocols import Store
from rag.types import Document

_FEW = 5
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
    under: int = 0
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

        files_by_path = self._found(files, by_file)
        gone = [file for file in by_file if file not in files_by_path and self._has_left(file)]

        missing = {file: by_file[file] for file in gone}
        by_digest = {by_file[file][0].file_sha256: file for file in reversed(gone)}

        for path, file in files_by_path.items():
            documents = by_file.get(path, [])
            digest = self.stamps.digest(file.path) if documents or by_digest else ""
            old = "" if documents else by_digest.get(digest, "")

            if documents and all(document.file_sha256 == digest for document in documents):
                self.unchanged += documents
                self.skipped += self.stamps.skipped(file.path)
            elif old and (renamed := self._renamed(missing[old], file)):
                self.renamed += renamed
                del missing[old], by_digest[digest]
            elif reason := _unsupported(file.path):
                self.skipped.append((str(file.path), reason))
            elif skipped := self.stamps.skipped(file.path):
                self.skipped += skipped
            else:
                self.to_read.append(file)

        # missing folders whose files have moved here under the same names
        roots = {_folder_of(old) for old, new in self.renamed if old.id == new.id}
        moved = [root for root in roots if root and is_gone(str(root))]

        ours = [f for f in by_file if self._is_ours(f) or any(is_under(f, old) for old in moved)]
        self.under = sum(len(by_file[file]) for file in ours)
        self.missing = [document for file in ours for document in missing.get(file, ())]

        self._check_names(by_file)
        return self

    @property
    def refusal(self) -> str:
        """Why so many deletions need confirmation; "" if they do not."""
        count = len(self.missing)
        if 0 < count == self.under or (count > _FEW and count > _SHARE * self.under):
            these = f"{count} of the {self.under} documents of {self.root}"
            return f"{these} are missing; nothing was changed"
        return ""

    def _found(
        self, files: Iterable[FoundFile], by_file: Mapping[str, Sequence[Document]]
    ) -> dict[str, FoundFile]:
        """The files by path, with links resolved; those that are no files are skipped."""
        by_path: dict[str, FoundFile] = {}
        for file in files:
            if reason := file.why_not:
                self.skipped.append((str(file.path), reason))
                continue
            path = file.path.resolve()
            by_path[str(path)] = FoundFile(path, file.document_id)
            note_link(self.stamps, file, by_file.get(str(path), []))
        return by_path

    def _check_names(self, by_file: Mapping[str, Sequence[Document]]) -> None:
        """Skip files whose ids remaining documents have. Raises InputError if nothing is left."""
        going = {renamed.id for renamed, _ in self.renamed} | {
            document.id for document in self.missing
        }
        documents = (document for of_file in by_file.values() for document in of_file)
        owners = {document.id: document for document in documents if document.id not in going}

        readable, refused = list[FoundFile](), list[tuple[str, str]]()

        for file in self.to_read:
            owner = owners.get(file.document_id)
            if owner is None or owner.file == str(file.path) or self._is_moved(owner, file):
                readable.append(file)
            else:
                refused.append((str(file.path), taken(owner)))

        self.to_read = readable
        self.skipped += refused

        if refused and not (readable or self.renamed or self.unchanged or self.missing):
            path, reason = refused[0]
            message = f"nothing in {self.root} can be ingested: {path}: {reason}"
            raise InputError(message, f"rag sync {self.root} --name ANOTHER")

    def _is_moved(self, owner: Document, file: FoundFile) -> bool:
        return is_gone(owner.file) and owner.file_sha256 == self.stamps.digest(file.path)

    def _is_ours(self, file: str) -> bool:
        """Whether the file is in the folder, or was found through a link in it."""
        return is_under(file, self.root) or is_under(self.stamps.link(file), self.root)

    def _has_left(self, file: str) -> bool:
        link = self.stamps.link(file)
        unlinked = is_under(link, self.root) and (is_gone(link) or os.path.realpath(link) != file)
        return unlinked or is_gone(file) or is_in_index(file, self.root)

    def _renamed(
        self, missing: Sequence[Document], file: FoundFile
    ) -> list[tuple[Document, Document]]:
        """The documents of a missing file and what they become as those of `file`, which has its
        content; [] if they would be read differently or their new ids are not free, or if the
        missing file may be on an unmounted disk, unless it has the same name here.
        """
        if not (self._is_ours(missing[0].file) or are_named_after(missing, file)):
            return []
        try:
            loaded = {document.sha256: document for document in load(file).documents}
        except ParseError:
            return []
        read = [loaded[document.sha256] for document in missing if document.sha256 in loaded]
        if len({document.id for document in read}) != len(missing):
            return []
        for gone_document, read_document in zip(missing, read, strict=True):
            stored = self.store.document(gone_document.id)
            if stored is None or (stored.text, stored.blocks) != (
                read_document.text,
                read_document.blocks,
            ):
                return []
            owner = (
                self.store.document(read_document.id)
                if read_document.id != gone_document.id
                else None
            )
            if owner and not is_gone(owner.file):
                return []
        return [
            (gone_document, replace(read_document, text="", blocks=()))
            for gone_document, read_document in zip(missing, read, strict=True)
        ]


def _unsupported(path: Path) -> str:
    try:
        if not os.path.isdir(path):  # a folder that cannot be opened
            format_of(path.name, b"")
    except ParseError as error:
        return str(error)
    return ""


def _folder_of(document: Document) -> Path | None:
    """The folder that was ingested; None for a member of a file, or a file with another id."""
    relative = document.id.partition("/")[2]
    file = document.source
    return Path(file[: -len(relative) - 1]) if relative and file.endswith(f"/{relative}") else None


def is_under(source: str, root: Path) -> bool:
    return source == str(root) or source.startswith(f"{root}{os.sep}".replace("//", "/"))
