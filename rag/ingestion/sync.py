"""Makes the index match a folder: adds new files, updates changed ones, renames moved ones, removes
missing ones.

`rag.ingestion.sync_plan` compares the files by content and says which is which;
`rag.ingestion.watch` syncs after each change. A moved file keeps its passages and vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rag.errors import InputError
from rag.ingestion.deletion import forgotten
from rag.ingestion.ingest import Ingest, IngestReport, OnProgress, is_gone
from rag.ingestion.pipeline import patiently
from rag.ingestion.sync_plan import Plan, is_under
from rag.parsing.files import FoundFile
from rag.types import Document

_ALLOW = "check with --dry-run; if you deleted them, run: rag sync --allow-mass-delete"


@dataclass(slots=True)
class Changes(IngestReport):
    """What a run changed or would change; `renamed` has (old id, new id) pairs."""

    renamed: list[tuple[str, str]] = field(default_factory=list)
    dry_run: bool = False
    refused: str = ""
    """Why a real run would change nothing unless many deletions are allowed."""

    @property
    def any(self) -> bool:
        return bool(self.added or self.updated or self.renamed or self.removed)


@dataclass(frozen=True, slots=True)
class Sync:
    """Syncs one folder, `root`, with the index of `ingest`, which reads its files."""

    ingest: Ingest

    def run(
        self,
        root: Path,
        files: Iterable[FoundFile],
        many: bool = False,
        on_progress: OnProgress = lambda _: None,
    ) -> Changes:
        """Make the index match `files`, all files under `root` (an absolute path).

        Raises InputError before any change if so many files are missing that the folder may not be
        mounted, unless `many`. Each document's change is durable, so a killed run can be repeated.
        """
        files, store = list(files), self.ingest.store
        with store.writing():
            plan = Plan(store, self.ingest.stamps, root).fill(files)
            if plan.refusal and not many:
                raise InputError(plan.refusal, _ALLOW)
            changes = self._make_room(plan)
        to_read = {file.path for file in plan.to_read}
        for file in files:
            if file.path not in to_read:
                on_progress(file)
        try:
            # in batches, so that other processes can write in between
            if plan.to_read:
                self.ingest.run(plan.to_read, on_progress, changes)
            put = [*changes.added, *changes.updated]
            changes.added = [name for name in put if name not in plan.old_ids]
            changes.updated = [name for name in put if name in plan.old_ids]
            patiently(lambda: self._clear_up(plan, changes))
            if changes.removed:
                store.vacuum()
        finally:
            self.ingest.stamps.save()
        return changes

    def preview(self, root: Path, files: Iterable[FoundFile]) -> Changes:
        """The changes that `run` would make; broken files are listed as added or updated."""
        plan = Plan(self.ingest.store, self.ingest.stamps, root).fill(files)
        read = [file.document_id for file in plan.to_read]
        return Changes(
            added=[name for name in read if name not in plan.old_ids],
            updated=[name for name in read if name in plan.old_ids],
            renamed=[(missing.id, found.id) for missing, found in plan.renamed],
            removed=[document.id for document in plan.missing if document.id not in read],
            unchanged=[document.id for document in plan.unchanged],
            skipped=list(plan.skipped),
            dry_run=True,
            refused=plan.refusal,
        )

    def name_of(self, root: Path) -> str | None:
        """The folder's name in the ids of its documents, if it had another when they were
        ingested; None if it is `root.name` or they do not agree.
        """
        names = {
            document.id.removesuffix(relative)
            for document in self.ingest.store.documents()
            if is_under(document.file, root)
            and document.id.endswith(relative := document.source[len(str(root)) :])
        }
        return None if len(names) != 1 or names <= {"", root.name} else names.pop()

    def _make_room(self, plan: Plan) -> Changes:
        """Rename documents, and delete those whose ids are needed, before files are read."""
        changes = Changes(
            unchanged=[document.id for document in plan.unchanged], skipped=list(plan.skipped)
        )
        for missing, found in plan.renamed:
            self._rename(missing, found)
            changes.renamed.append((missing.id, found.id))
        new_ids = {file.document_id for file in plan.to_read}
        for document in plan.missing:
            if not is_gone(document.file) or document.id in new_ids:
                changes.removed += self._remove([document.id], changes)
        return changes

    def _remove(self, ids: Sequence[str], changes: Changes) -> list[str]:
        """Delete documents and quotes of them. Returns the ids of those that existed."""
        store = self.ingest.store
        with store.erasing():
            changes.quotes += sum(forgotten(store, name, self.ingest.forget) for name in ids)
            return [name for name in ids if store.delete(name)]

    def _clear_up(self, plan: Plan, changes: Changes) -> None:
        """Delete the other missing documents, except those whose id another file has now."""
        put = {*changes.added, *changes.updated}
        store = self.ingest.store
        with store.writing():
            already_removed = set(changes.removed)
            to_remove = [
                d.id for d in plan.missing if d.id not in put and d.id not in already_removed
            ]
            remaining = self._remove(to_remove, changes)
            self.ingest.stamps.keep({document.file for document in store.documents()})
        missing = {document.id for document in plan.missing}
        reported = [name for name in changes.removed if name not in put or name not in missing]
        changes.removed = [*reported, *remaining]

    def _rename(self, missing: Document, found: Document) -> None:
        """Give a document its new id and source; its text, passages and vectors stay."""
        store = self.ingest.store
        if stored := store.document(missing.id):
            document = replace(found, text=stored.text, blocks=stored.blocks)
            passages, vectors = store.embedded(missing.id)
            renamed = [replace(p, document_id=found.id, title=found.title) for p in passages]
            store.put(document, renamed, vectors, instead_of=missing.id)
