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
from rag.ingestion.ingest import Ingest, IngestReport, OnFileDone, is_gone
from rag.ingestion.pipeline import retry_while_busy
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
        allow_many: bool = False,
        on_progress: OnFileDone = lambda _: None,
    ) -> Changes:
        """Make the index match `files`, all files under `root` (an absolute path).

        Raises InputError before any change if so many files are missing that the folder may not be
        mounted, unless `allow_many`. Each document's change is durable, so a killed run can be
        repeated.
        """
        files = list(files)
        store = self.ingest.store
        with store.writing():
            plan = Plan(store, self.ingest.stamps, root).fill(files)
            if plan.refusal and not allow_many:
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
            stored = [*changes.added, *changes.updated]
            changes.added = [name for name in stored if name not in plan.old_ids]
            changes.updated = [name for name in stored if name in plan.old_ids]
            retry_while_busy(lambda: self._clear_up(plan, changes))
            if changes.removed:
                store.vacuum()
        finally:
            self.ingest.stamps.save()
        return changes

    def preview(self, root: Path, files: Iterable[FoundFile]) -> Changes:
        """The changes that `run` would make; broken files are listed as added or updated."""
        plan = Plan(self.ingest.store, self.ingest.stamps, root).fill(files)
        changes = Changes(
            unchanged=[document.id for document in plan.unchanged],
            skipped=list(plan.skipped),
            dry_run=True,
            refused=plan.refusal,
        )

        ids_read = [file.document_id for file in plan.to_read]
        for document_id in ids_read:
            if document_id in plan.old_ids:
                changes.updated.append(document_id)
            else:
                changes.added.append(document_id)

        for missing, found in plan.renamed:
            changes.renamed.append((missing.id, found.id))
        for document in plan.missing:
            if document.id not in ids_read:
                changes.removed.append(document.id)
        return changes

    def name_of(self, root: Path) -> str | None:
        """The folder's name in the ids of its documents, if it had another when they were
        ingested; None if it is `root.name` or they do not agree.
        """
        names = set()
        for document in self.ingest.store.documents():
            relative_path = document.source[len(str(root)) :]
            if is_under(document.file, root) and document.id.endswith(relative_path):
                names.add(document.id.removesuffix(relative_path))

        if len(names) != 1:
            return None
        (name,) = names
        return None if name in ("", root.name) else name

    def _make_room(self, plan: Plan) -> Changes:
        """Rename documents, and delete those whose ids are needed, before files are read."""
        changes = Changes(
            unchanged=[document.id for document in plan.unchanged],
            skipped=list(plan.skipped),
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
            for document_id in ids:
                changes.quotes += forgotten(store, document_id, self.ingest.forget)
            return [document_id for document_id in ids if store.delete(document_id)]

    def _clear_up(self, plan: Plan, changes: Changes) -> None:
        """Delete the other missing documents, except those whose id another file has now."""
        stored_now = {*changes.added, *changes.updated}
        missing = [document.id for document in plan.missing]
        store = self.ingest.store
        with store.writing():
            done = stored_now.union(changes.removed)
            to_remove = [document_id for document_id in missing if document_id not in done]
            removed = self._remove(to_remove, changes)
            self.ingest.stamps.keep({document.file for document in store.documents()})

        # one that was deleted for another file, which was then read, is updated and not removed
        replaced = stored_now.intersection(missing)
        removed_before = [
            document_id for document_id in changes.removed if document_id not in replaced
        ]
        changes.removed = [*removed_before, *removed]

    def _rename(self, missing: Document, found: Document) -> None:
        """Give a document its new id and source; its text, passages and vectors stay."""
        store = self.ingest.store
        stored = store.document(missing.id)
        if not stored:
            return

        document = replace(found, text=stored.text, blocks=stored.blocks)
        passages, vectors = store.embedded(missing.id)
        renamed = []
        for passage in passages:
            renamed.append(replace(passage, document_id=found.id, title=found.title))
        store.put(document, renamed, vectors, instead_of=missing.id)
