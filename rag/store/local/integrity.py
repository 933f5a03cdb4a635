"""Checks every row of a local store: the database, then the search indexes derived from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.store.duplicates import described, duplicates, named
from rag.store.local import database, reindex, schema, sqlite_file
from rag.store.local.indexes import SearchIndexes
from rag.store.local.sqlite_file import WriteLock
from rag.store.local.untrusted import are_blocks, are_unit, is_in, parsed_json


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
    """Check everything and change nothing. Raises StoreError if the database cannot be opened."""
    path = folder / "rag.sqlite"
    with sqlite_file.opened(path) as connection:
        with database.snapshot(connection):
            sound = _database(connection, path)
            if not sound.ok:
                return [sound]
            meta = sqlite_file.read_meta(connection)
            *truth, vectors = _rows(connection, int(meta["dim"]), folder)
        derived = _derived(connection, folder, meta) if vectors.ok else []
        ends = (_copies(connection), _leftovers(connection, folder))
        return [sound, *truth, vectors, *derived, *ends]


def _database(connection: sqlite3.Connection, path: Path) -> Finding:
    try:
        results = connection.execute("PRAGMA integrity_check(5)").fetchall()
        problems = [result for (result,) in results if result != "ok"]
        problems += [
            f"row {row} of {table} has no {parent}"
            for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check")
        ]
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    fix = f"{sqlite_file.RESTORE}, or move {path.parent} away and run: rag ingest PATH"
    return Finding("database", not problems, "; ".join(problems) or "SQLite finds it intact", fix)


def _rows(connection: sqlite3.Connection, dim: int, folder: Path) -> list[Finding]:
    """Checks of the documents, and of their passages and vectors."""
    documents, passages = database.counts(connection)
    unread, misplaced, bent = list[str](), list[str](), list[str]()
    altered: dict[str, str] = {}
    sql = "SELECT row, id, source, text, digest, metadata, pages, blocks FROM documents ORDER BY id"
    for row, document_id, source, text, digest, metadata, pages, blocks in connection.execute(sql):
        are_parsed = parsed_json(metadata) is not None and parsed_json(pages) is not None
        if not are_parsed or not are_blocks(blocks, len(text)):
            unread.append(document_id)
        if schema.text_digest(text) != digest:
            altered[document_id] = source
        parts = connection.execute(
            "SELECT start, end, text, vector FROM passages WHERE document = ?", (row,)
        ).fetchall()
        are_placed = all(is_in(text, *place) for *place, _ in parts)
        if not are_placed or (not parts and text.strip()):
            misplaced.append(document_id)
        if not are_unit([vector for *_, vector in parts], dim):
            bent.append(document_id)

    def finding(
        name: str, ids: Sequence[str], intact: str, fix: str, again: tuple[str, ...] = ()
    ) -> Finding:
        detail = f"wrong in {len(ids)} documents: {named(ids)}" if ids else intact
        return Finding(name, not ids, detail, fix, again)

    def of_passages(name: str, ids: Sequence[str], intact: str) -> Finding:
        """They can be made again, unless the text was altered, which that would hide."""
        reread_ids = tuple(document_id for document_id in ids if document_id not in altered)
        fix = "rebuild them from the text: rag index doctor --repair" if reread_ids else "see texts"
        return finding(name, ids, intact, fix, reread_ids)

    again = "delete them and ingest them again: rag delete"
    ingest = f"{again} ID, rag ingest {named(list(altered.values()))}"
    delete = f"{again} {named(unread)} --index {folder}"
    return [
        finding("records", unread, f"{documents:,} documents", delete),
        finding("texts", list(altered), "each matches its digest", ingest),
        of_passages("passages", misplaced, f"{passages:,} match their documents"),
        of_passages("vectors", bent, "complete and of length 1"),
    ]


def _derived(
    connection: sqlite3.Connection, folder: Path, meta: dict[str, str]
) -> Iterator[Finding]:
    """Checks of the search indexes."""
    derived = SearchIndexes(folder, meta, WriteLock(folder), writable=False, wait=0)
    problem = derived.problem if meta["generation"] != "0" else ""
    fix = f"rag index doctor rebuilds them if it may write: rag index info --index {folder}"
    detail = problem or "unchanged since they were written"
    yield Finding("search indexes' files", not problem, detail, fix, derived=True)
    before = None if problem else derived.compare(connection)
    derived.sync(connection)
    for name, counts in (before or derived.compare(connection)).items():
        surplus, missing, altered = counts
        detail = "the passages of the database"
        if any(counts):
            detail = f"{surplus} surplus passages, {missing} missing, {altered} altered"
        yield Finding(name, not any(counts), detail, fix, derived=True)


def _copies(connection: sqlite3.Connection) -> Finding:
    """Duplicates are harmless (equal passages are read once), but can be cleaned up."""
    documents = connection.execute("SELECT row, id, digest FROM documents ORDER BY id")
    passages = connection.execute("SELECT document, text FROM passages")
    copies = duplicates(documents, ((row, hash(text)) for row, text in passages))
    return Finding("copies", True, described(copies))


def _leftovers(connection: sqlite3.Connection, folder: Path) -> Finding:
    """Leftovers are harmless; reported because nothing else mentions them."""
    names = [path.name for path in folder.iterdir() if ".partial" in path.name]
    if reindex.unfinished(connection):
        rebuild = "rag index rebuild"
        names.append(f"a rebuild ({rebuild} resumes it, {rebuild} --abandon discards it)")
    return Finding("leftovers", True, f"from interrupted runs: {named(names)}" if names else "none")
