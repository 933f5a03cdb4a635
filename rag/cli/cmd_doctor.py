"""`rag index doctor`: checks Python, the models and every row of the index, and suggests fixes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rag import build
from rag.cli.options import shared, show
from rag.errors import AbsentError, ConflictError, RagError
from rag.models.registry import embedder_path, reader_path
from rag.render.status import clean
from rag.settings import Settings
from rag.types import Document

if TYPE_CHECKING:
    from rag.store.local.integrity import Finding


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """`fix` is the next step after a failure; `mended`: it had failed, and is repaired now."""

    name: str
    ok: bool
    detail: str
    fix: str = ""
    mended: bool = False


@click.command("doctor")
@click.option(
    "--repair", is_flag=True, help="Also rebuild passages and vectors that do not match their text."
)
@shared
def doctor_command(settings: Settings, repair: bool) -> None:
    """Check Python, the models and every row of the index, and suggest fixes.

    Broken search indexes are rebuilt; documents that cannot be repaired are listed. Exits with
    status 1 if something is wrong.

    \b
    Examples:
      rag index doctor
      rag index doctor --repair
      rag index doctor --json | jq '.[] | select(.ok | not)'
    """
    version = sys.version.split()[0]
    checks = [
        DoctorCheck("python", sys.version_info >= (3, 11), version, "install Python 3.11 or later"),
        _try("embedder", lambda: embedder_path(settings.embedder)[0]),
        _try("reader", lambda: reader_path(settings.reader)[0]),
        _try("embedder runs", lambda: f"{build.embedder(settings).dim} dimensions"),
        _try("reader runs", lambda: build.reader(settings).name),
        *([_writable(settings.index)] if settings.store == "local" else []),
        *_index(settings, repair),
        _try("index opens", lambda: _size(settings)),
    ]
    show(checks, (line for check in checks for line in _lines(check)))
    sys.exit(0 if all(check.ok for check in checks) else 1)


def _lines(check: DoctorCheck) -> list[str]:
    state = "fixed" if check.mended else "ok   " if check.ok else "WRONG"
    fix = [f"      {clean(check.fix)}"] if check.fix and not check.ok else []
    return [f"{state} {check.name}: {clean(check.detail)}", *fix]


def _try(name: str, look: Callable[[], str]) -> DoctorCheck:
    try:
        return DoctorCheck(name, True, look())
    except RagError as error:
        return DoctorCheck(name, False, error.message, error.hint)


def _index(settings: Settings, repair: bool) -> list[DoctorCheck]:
    try:
        before = examine(settings)
        if any(finding.derived and not finding.ok for finding in before):
            build.store(settings, any_embedder=True).close()
        documents = sorted({document_id for finding in before for document_id in finding.documents})
        if repair and documents:
            _repair(settings, documents)
        after = before if all(finding.ok for finding in before) else examine(settings)
    except AbsentError:  # reported by the check "index opens"
        return []
    except RagError as error:
        return [DoctorCheck("index", False, error.message, error.hint)]
    was_wrong = {finding.name: finding.detail for finding in before if not finding.ok}
    checks = []
    for finding in after:
        mended = finding.ok and finding.name in was_wrong
        detail = f"repaired; before: {was_wrong[finding.name]}" if mended else finding.detail
        fix = "" if finding.ok else finding.fix
        checks.append(DoctorCheck(finding.name, finding.ok, detail, fix, mended))
    return checks


def examine(settings: Settings) -> list[Finding]:
    """Check the index. A database is checked by its server; only its copies are named."""
    from rag.store.duplicates import described
    from rag.store.local import integrity

    if settings.store == "local":
        return integrity.examine(settings.index)
    with closing(build.postgres(settings, {}, create=False)) as opened:
        return [integrity.Finding("copies", True, described(opened.duplicates()))]


def _repair(settings: Settings, ids: Sequence[str]) -> None:
    """Split and embed these documents again from the text in the index."""
    from rag.ingestion.pipeline import index

    embedder = build.embedder(settings)
    with closing(build.store(settings, embedder)) as store:

        def check(document: Document) -> None:
            if store.document(document.id) != document:
                message = f"{document.id} has changed in the meantime"
                raise ConflictError(message, "run again: rag index doctor")

        documents = (document for name in ids if (document := store.document(name)))
        index(documents, store, embedder, settings.passage_tokens, check)


def _writable(folder: Path) -> DoctorCheck:
    parents = (folder.absolute(), *folder.absolute().parents)
    existing = next(parent for parent in parents if parent.exists())
    fix = f"make {existing} writable, or choose another folder with --index"
    return DoctorCheck("index folder", os.access(existing, os.W_OK), str(folder), fix)


def _size(settings: Settings) -> str:
    stats = build.store(settings).stats()
    return f"{stats.documents:,} documents, {stats.passages:,} passages"
