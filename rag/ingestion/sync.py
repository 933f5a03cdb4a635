"""Makes the index match a folder: adds new files, updates changed ones, removes missing ones.

Files are compared by content. A moved file keeps its passages and vectors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rag.errors import InputError
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest, note_link
from rag.ingestion.pipeline import patiently
from rag.parsing.base import ParseError
from rag.parsing.formats import format_of
from rag.parsing.load import FoundFile, is_in_index, load, no_file
from rag.parsing.pool import Loader, one_by_one
from rag.protocols import Embedder, Store
from rag.types import Document

_FEW = 5
_SHARE = 0.25
"""More deletions than the minimum, and than this share of the folder's documents, need
confirmation.
"""
_ALLOW = "check with --dry-run; if you deleted them, run: rag sync --allow-mass-delete"


@dataclass(slots=True)
class Changes:
    """What a run did or would do: ids of documents, (old id, new id) of renamed ones, (path,
    reason) of skipped files.
    """

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    passages: int = 0
    dry_run: bool = False
    refused: str = ""
    """Why a real run would change nothing unless many deletions are allowed."""

    @property
    def any(self) -> bool:
        return bool(self.added or self.updated or self.renamed or self.removed)


@dataclass(slots=True)
class _Plan:
    to_read: list[FoundFile] = field(default_factory=list)
    renamed: list[tuple[Document, Document]] = field(default_factory=list)
    """Documents of missing files, and what they become; the text stays and is left out."""
    gone: list[Document] = field(default_factory=list)
    unchanged: list[Document] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    """Files that cannot be read, as far as that is known."""
    under: int = 0
    """Number of the folder's documents before."""
    known: set[str] = field(default_factory=set)
    """Ids of all documents before."""


class Sync:
    """Syncs one folder, `root`, with one index."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder,
        passage_tokens: int,
        stamps: Stamps,
        loader: Loader = one_by_one,
        keep_furniture: bool = False,
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._passage_tokens = passage_tokens
        self._stamps = stamps
        self._loader = loader
        self._keep_furniture = keep_furniture

    def run(
        self,
        root: Path,
        files: Iterable[FoundFile],
        many: bool = False,
        seen: Callable[[], object] = lambda: None,
    ) -> Changes:
        """Make the index match `files`, all files under `root` (an absolute path).

        Raises InputError before any change if so many files are missing that the folder may not be
        mounted, unless `many`. Each document's change is durable, so a killed run can be repeated.
        """
        with self._store.writing():
            plan = self._plan(root, files)
            if not many and (refused := _refused(plan, root)):
                raise InputError(refused, _ALLOW)
            changes = self._make_room(plan)
        try:
            self._read(
                plan, changes, seen
            )  # in batches, so that other processes can write in between
            patiently(lambda: self._clear_up(plan, changes))
        finally:
            self._stamps.save()
        return changes

    def preview(self, root: Path, files: Iterable[FoundFile]) -> Changes:
        """What `run` would do. Files that turn out to be broken are listed as added or updated."""
        plan = self._plan(root, files)
        read = [found.document_id for found in plan.to_read]
        return Changes(
            added=[name for name in read if name not in plan.known],
            updated=[name for name in read if name in plan.known],
            renamed=[(old.id, new.id) for old, new in plan.renamed],
            removed=[document.id for document in plan.gone if document.id not in read],
            unchanged=[document.id for document in plan.unchanged],
            skipped=list(plan.skipped),
            dry_run=True,
            refused=_refused(plan, root),
        )

    def name_of(self, root: Path) -> str | None:
        """The folder's name in the ids of its documents, if it had another when they were
        ingested; None if it is `root.name` or they do not agree.
        """
        names = {
            document.id.removesuffix(inside)
            for document in self._store.documents()
            if is_under(document.file, root)
            and document.id.endswith(inside := document.source[len(str(root)) :])
        }
        return None if len(names) != 1 or names <= {"", root.name} else names.pop()

    def _plan(self, root: Path, files: Iterable[FoundFile]) -> _Plan:
        by_file: dict[str, list[Document]] = {}
        for document in self._store.documents():
            by_file.setdefault(document.file, []).append(document)
        found: dict[str, FoundFile] = {}
        nowhere: list[tuple[str, str]] = []
        for one in files:
            if reason := no_file(one.path):
                nowhere.append((str(one.path), reason))
                continue
            path = one.path.resolve()
            found[str(path)] = FoundFile(path, one.document_id)
            note_link(self._stamps, one, by_file.get(str(path), []))
        gone = {
            file: here
            for file, here in by_file.items()
            if file not in found and self._has_left(file, root)
        }
        by_digest = {here[0].file_sha256: file for file, here in reversed(gone.items())}
        plan = _Plan(skipped=nowhere)
        for file, one in found.items():
            known = by_file.get(file, [])
            digest = self._stamps.digest(one.path) if known or by_digest else ""
            if known and all(document.file_sha256 == digest for document in known):
                plan.unchanged += known
                plan.skipped += self._stamps.skipped(one.path)
            elif (
                not known
                and digest in by_digest
                and self._may_take(by_digest[digest], gone, one, root)
                and (renamed := self._renamed(gone[by_digest[digest]], one))
            ):
                plan.renamed += renamed
                gone.pop(by_digest.pop(digest))
            elif reason := _unsupported(one.path):
                plan.skipped.append((file, reason))
            elif skipped := self._stamps.skipped(one.path):
                plan.skipped += skipped
            else:
                plan.to_read.append(one)
        moved = self._moved(plan)
        ours = [
            file
            for file in by_file
            if self._is_of(file, root) or any(is_under(file, old) for old in moved)
        ]
        plan.under = sum(len(by_file[file]) for file in ours)
        plan.gone = [document for file in ours if file in gone for document in gone[file]]
        plan.known = {document.id for here in by_file.values() for document in here}
        self._check_names(plan, by_file, root)
        return plan

    def _moved(self, plan: _Plan) -> list[Path]:
        """Missing folders whose files have moved here under the same names."""
        roots = (_root(old) for old, new in plan.renamed if old.id == new.id)
        return [root for root in dict.fromkeys(roots) if root and _is_gone(str(root))]

    def _check_names(
        self, plan: _Plan, by_file: Mapping[str, Sequence[Document]], root: Path
    ) -> None:
        """Skip files whose ids belong to remaining documents. Raises InputError if that leaves
        nothing.
        """
        going = {old.id for old, _ in plan.renamed} | {document.id for document in plan.gone}
        owners = {
            document.id: document
            for here in by_file.values()
            for document in here
            if document.id not in going
        }
        free, taken = list[FoundFile](), list[tuple[str, str]]()
        for one in plan.to_read:
            owner = owners.get(one.document_id)
            if owner is None or owner.file == str(one.path) or self._is_moved(owner, one):
                free.append(one)
            else:
                gone = ", which is gone" if _is_gone(owner.file) else ""
                reason = (
                    f"its name {owner.id} is taken by {owner.source}{gone}; give the folder "
                    f"another with --name"
                )
                taken.append((str(one.path), reason))
        plan.to_read = free
        plan.skipped += taken
        if taken and not (free or plan.renamed or plan.unchanged or plan.gone):
            path, reason = taken[0]
            raise InputError(
                f"nothing in {root} can be ingested: {path}: {reason}",
                f"rag sync {root} --name ANOTHER",
            )

    def _is_moved(self, owner: Document, one: FoundFile) -> bool:
        return _is_gone(owner.file) and owner.file_sha256 == self._stamps.digest(one.path)

    def _may_take(
        self, file: str, gone: Mapping[str, Sequence[Document]], one: FoundFile, root: Path
    ) -> bool:
        """Whether a file may take over from a missing one. The old one may be on an unmounted disk,
        unless the file has the same name here.
        """
        named = all(f"{document.id}/".startswith(f"{one.document_id}/") for document in gone[file])
        return self._is_of(file, root) or named

    def _is_of(self, file: str, root: Path) -> bool:
        """Whether the file is in the folder, or was found through a link in it."""
        return is_under(file, root) or is_under(self._stamps.link(file), root)

    def _has_left(self, file: str, root: Path) -> bool:
        link = self._stamps.link(file)
        unlinked = is_under(link, root) and (_is_gone(link) or os.path.realpath(link) != file)
        return unlinked or _is_gone(file) or is_in_index(file, root)

    def _make_room(self, plan: _Plan) -> Changes:
        """Rename documents, and delete those whose ids are needed, before files are read."""
        changes = Changes(
            unchanged=[document.id for document in plan.unchanged], skipped=list(plan.skipped)
        )
        for old, new in plan.renamed:
            self._rename(old, new)
            changes.renamed.append((old.id, new.id))
        wanted = {found.document_id for found in plan.to_read}
        for document in plan.gone:
            if (not _is_gone(document.file) or document.id in wanted) and self._store.delete(
                document.id
            ):
                changes.removed.append(document.id)
        return changes

    def _clear_up(self, plan: _Plan, changes: Changes) -> None:
        """Delete the other missing documents, except those whose id another file has now."""
        put = {*changes.added, *changes.updated}
        with self._store.writing():
            first = set(changes.removed)
            rest = [
                d.id
                for d in plan.gone
                if d.id not in put and d.id not in first and self._store.delete(d.id)
            ]
            self._stamps.keep({document.file for document in self._store.documents()})
        gone = {document.id for document in plan.gone}
        kept = [name for name in changes.removed if name not in put or name not in gone]
        changes.removed = [*kept, *rest]

    def _renamed(
        self, old: Sequence[Document], found: FoundFile
    ) -> list[tuple[Document, Document]]:
        """The documents of a missing file and what they become as those of `found`, which has its
        content; [] if they would be read differently or their new ids are not free.
        """
        try:
            loaded = {document.sha256: document for document in load(found).documents}
        except ParseError:
            return []
        new = [loaded[document.sha256] for document in old if document.sha256 in loaded]
        if len({document.id for document in new}) != len(old) or not all(
            self._same(a, b) for a, b in zip(old, new, strict=True)
        ):
            return []
        return [(a, replace(b, text="", sections=())) for a, b in zip(old, new, strict=True)]

    def _rename(self, old: Document, new: Document) -> None:
        """Give a document its new id and source; its text, passages and vectors stay."""
        if before := self._store.document(old.id):
            document = replace(new, text=before.text, sections=before.sections)
            passages, vectors = self._store.embedded(old.id)
            kept = [replace(p, document_id=new.id, title=new.title) for p in passages]
            self._store.put(document, kept, vectors, instead_of=old.id)

    def _same(self, old: Document, new: Document) -> bool:
        """Whether the documents are parsed as before and the new id is free."""
        before, taken = (
            self._store.document(old.id),
            self._store.document(new.id) if new.id != old.id else None,
        )
        free = taken is None or _is_gone(taken.file)
        return (
            free
            and before is not None
            and (before.text, before.sections) == (new.text, new.sections)
        )

    def _read(self, plan: _Plan, changes: Changes, seen: Callable[[], object]) -> None:
        if not plan.to_read:
            return
        ingest = Ingest(
            self._store,
            self._embedder,
            self._passage_tokens,
            self._stamps,
            self._loader,
            self._keep_furniture,
        )
        try:
            ingest.run(plan.to_read, seen)
        except InputError:
            if not ingest.report.skipped:
                raise
        report = ingest.report
        put = [*report.added, *report.updated]
        changes.added = [name for name in put if name not in plan.known]
        changes.updated = [name for name in put if name in plan.known]
        changes.removed += report.removed
        changes.unchanged += report.unchanged
        changes.skipped += report.skipped
        changes.passages = report.passages


def _refused(plan: _Plan, root: Path) -> str:
    """Why so many deletions need confirmation; "" if they do not."""
    gone = len(plan.gone)
    if 0 < gone == plan.under or (gone > _FEW and gone > _SHARE * plan.under):
        return (
            f"{gone} of the {plan.under} documents of {root} have disappeared; nothing was changed"
        )
    return ""


def _unsupported(path: Path) -> str:
    try:
        if not os.path.isdir(path):  # a folder that cannot be opened
            format_of(path.name, b"")
    except ParseError as error:
        return str(error)
    return ""


def _root(document: Document) -> Path | None:
    """The folder with which a document was ingested; None for a member of a file, and for a file
    whose name differs from its id.
    """
    inside = document.id.partition("/")[2]
    file = document.source
    return Path(file[: -len(inside) - 1]) if inside and file.endswith(f"/{inside}") else None


def is_under(source: str, root: Path) -> bool:
    return source == str(root) or source.startswith(f"{root}{os.sep}".replace("//", "/"))


def _is_gone(source: str) -> bool:
    """Whether the system reports the path as missing; a file or folder without access is not
    missing.
    """
    if not os.path.isabs(source):  # a URI
        return False
    try:
        os.stat(source)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False
