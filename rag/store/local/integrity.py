"""Checks every row of a local store: first the database, then the search indexes derived from
it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rag.store.duplicates import described, duplicates, named
from rag.store.local import database, reindex, schema, sqlite_file
from rag.store.local.indexes import SearchIndexes
from rag.store.local.sqlite_file import WriteLock
from rag.store.local.untrusted import are_blocks, parsed_json

_UNIT = 1e-3
"""Tolerance for a vector's length; half-precision models deviate less."""
_REPAIR = "rag index doctor --repair"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of checking one invariant: whether it holds, details, and a fix.

    `documents` are those whose passages and vectors can be rebuilt from their text. `derived` means
    that search index files are broken; they are rebuilt when the index is next opened.
    """

    name: str
    ok: bool
    detail: str
    fix: str = ""
    documents: tuple[str, ...] = ()
    derived: bool = False


def examine(folder: Path) -> list[Finding]:
    """Check everything without changing anything. Raises StoreError if there is no index or its
    database cannot be opened.
    """
    path = folder / "rag.sqlite"
    with closing(sqlite_file.connect(path)) as connection, sqlite_file.translated(path):
        with database.snapshot(connection):
            sound = _database(connection, path)
            if not sound.ok:
                return [sound]
            meta = sqlite_file.read_meta(connection)
            truth = _truth(connection, int(meta["dim"]), folder)
        whole = all(finding.ok for finding in truth if finding.name == "vectors")
        derived = _derived(connection, folder, meta) if whole else []
        return [sound, *truth, *derived, _same(connection), _leftovers(connection, folder)]


def _database(connection: sqlite3.Connection, path: Path) -> Finding:
    try:
        problems = [
            row[0] for row in connection.execute("PRAGMA integrity_check(5)") if row[0] != "ok"
        ]
        problems += [
            f"row {row[1]} of {row[0]} has no {row[2]}"
            for row in connection.execute("PRAGMA foreign_key_check")
        ]
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    fix = (
        f"restore a snapshot: rag index restore SNAPSHOT --replace, or move {path.parent} away and "
        f"run: rag ingest PATH"
    )
    return Finding("database", not problems, "; ".join(problems) or "SQLite finds it intact", fix)


# Database


@dataclass(slots=True)
class _Seen:
    documents: int = 0
    passages: int = 0
    unread: list[str] = field(default_factory=list)
    altered: list[tuple[str, str]] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    bare: list[str] = field(default_factory=list)
    wrong_vectors: list[str] = field(default_factory=list)


def _truth(connection: sqlite3.Connection, dim: int, folder: Path) -> list[Finding]:
    counts = _Seen()
    for row in connection.execute(
        "SELECT row, id, source, text, digest, metadata, pages, blocks FROM documents"
    ):
        _document(connection, row, dim, counts)
    sources = named([source for _, source in counts.altered])
    altered = {document_id for document_id, _ in counts.altered}
    return [
        Finding(
            "records",
            not counts.unread,
            _said(counts.unread, f"{counts.documents:,} documents"),
            _again(counts.unread, folder),
        ),
        Finding(
            "texts",
            not counts.altered,
            _said(sorted(altered), "each matches its digest"),
            f"delete them and ingest them again: rag delete ID, rag ingest {sources}",
        ),
        _made(
            "passages",
            counts.misplaced + counts.bare,
            altered,
            f"{counts.passages:,} match their documents",
        ),
        _made("vectors", counts.wrong_vectors, altered, "complete and of length 1"),
    ]


def _document(connection: sqlite3.Connection, row: Sequence[Any], dim: int, counts: _Seen) -> None:
    number, document_id, source, text, digest, metadata, pages, blocks = row
    counts.documents += 1
    are_read = parsed_json(metadata) is not None and parsed_json(pages) is not None
    if not (are_read and are_blocks(blocks, len(text))):
        counts.unread.append(document_id)
    if schema.text_digest(text) != digest:
        counts.altered.append((document_id, source))
    sql = "SELECT start, end, text, vector FROM passages WHERE document = ?"
    passages = connection.execute(sql, (number,)).fetchall()
    counts.passages += len(passages)
    if not all(0 <= start <= end and text[start:end] == part for start, end, part, _ in passages):
        counts.misplaced.append(document_id)
    if not passages and text.strip():
        counts.bare.append(document_id)
    if not _are_unit([vector for *_, vector in passages], dim):
        counts.wrong_vectors.append(document_id)


def _are_unit(blobs: Sequence[bytes], dim: int) -> bool:
    if any(len(blob) != 4 * dim for blob in blobs):
        return False
    rows = np.frombuffer(b"".join(blobs), dtype=np.float32).reshape(len(blobs), dim)
    with np.errstate(all="ignore"):
        off = np.abs(np.einsum("ij,ij->i", rows, rows) - 1)
    return bool((off < _UNIT).all())  # false for NaN, too


def _made(name: str, documents: Sequence[str], altered: Collection[str], well: str) -> Finding:
    """A finding about data that can be rebuilt, unless the text itself was altered; then a rebuild
    would hide the damage.
    """
    again = tuple(document_id for document_id in documents if document_id not in altered)
    fix = f"rebuild them from the text: {_REPAIR}" if again else "see texts"
    return Finding(name, not documents, _said(documents, well), fix, again)


def _again(documents: Sequence[str], folder: Path) -> str:
    return f"delete them and ingest them again: rag delete {named(documents)} --index {folder}"


def _said(wrong: Sequence[str], well: str) -> str:
    return f"wrong in {len(wrong)} documents: {named(wrong)}" if wrong else well


# Search indexes


def _derived(
    connection: sqlite3.Connection, folder: Path, meta: dict[str, str]
) -> Iterator[Finding]:
    derived = SearchIndexes(folder, meta, WriteLock(folder), writable=False, wait=0)
    saved = derived.problem if meta["generation"] != "0" else ""
    fix = f"rag index doctor rebuilds them if it may write: rag index info --index {folder}"
    yield Finding(
        "search indexes' files",
        not saved,
        saved or "unchanged since they were written",
        fix,
        derived=True,
    )
    before = None if saved else derived.compare(connection)
    derived.sync(connection)
    compared = before or derived.compare(connection)
    for name, (surplus, missing, altered) in compared.items():
        ok = not (surplus or missing or altered)
        problems = (
            f"{surplus} surplus passages, {missing} missing, {altered} altered"
            if not ok
            else "the passages of the database"
        )
        yield Finding(name, ok, problems, fix, derived=True)


def _same(connection: sqlite3.Connection) -> Finding:
    """Duplicates are harmless, since equal passages are read once and copies count as one source;
    reported so that they can be cleaned up.
    """
    documents = connection.execute("SELECT row, id, digest FROM documents ORDER BY id")
    passages = connection.execute("SELECT document, text FROM passages")
    copies = duplicates(documents, ((row, hash(text)) for row, text in passages))
    return Finding("copies", True, described(copies))


def _leftovers(connection: sqlite3.Connection, folder: Path) -> Finding:
    """Leftovers are harmless; reported because nothing else mentions them."""
    names = [path.name for path in folder.iterdir() if ".partial" in path.name]
    if reindex.unfinished(connection):
        names.append(
            "a rebuild (rag index rebuild resumes it, rag index rebuild --abandon discards it)"
        )
    return Finding("leftovers", True, f"from interrupted runs: {named(names)}" if names else "none")
