"""Checks every row of a local store: the database, then the search indexes derived from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rag.store.duplicates import duplicates, duplicates_in_words, first_names
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


@dataclass(frozen=True, slots=True)
class _Faults:
    """The ids of documents with a fault: those that cannot be read, those whose text was altered,
    with their sources, and those with passages at other places, or vectors of another length.
    """

    unread: list[str] = field(default_factory=list)
    altered: dict[str, str] = field(default_factory=dict)
    misplaced: list[str] = field(default_factory=list)
    bent: list[str] = field(default_factory=list)


_HINT = "delete them and ingest them again: rag delete"


def examine(folder: Path) -> list[Finding]:
    """Check everything and change nothing. Raises StoreError if the database cannot be opened."""
    path = folder / "rag.sqlite"
    with sqlite_file.opened(path) as connection:
        with database.snapshot(connection):
            of_database = _database(connection, path)
            if not of_database.ok:
                return [of_database]
            meta = sqlite_file.read_meta(connection)
            of_rows = _rows(connection, int(meta["dim"]), folder)

        harmless = [_copies(connection), _leftovers(connection, folder)]
        are_vectors_sound = of_rows[-1].ok
        of_indexes = list(_index_findings(connection, folder, meta)) if are_vectors_sound else []
        return [of_database, *of_rows, *of_indexes, *harmless]


def _database(connection: sqlite3.Connection, path: Path) -> Finding:
    """SQLite's own checks."""
    problems = []
    try:
        for (result,) in connection.execute("PRAGMA integrity_check(5)").fetchall():
            if result != "ok":
                problems.append(result)
        for table, row, parent, _ in connection.execute("PRAGMA foreign_key_check"):
            problems.append(f"row {row} of {table} has no {parent}")
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    detail = "; ".join(problems) or "SQLite finds it intact"
    fix = f"{sqlite_file.RESTORE}, or move {path.parent} away and run: rag ingest PATH"
    return Finding("database", not problems, detail, fix)


def _rows(connection: sqlite3.Connection, dim: int, folder: Path) -> list[Finding]:
    """Checks of the documents, and of their passages and vectors, which are the last."""
    documents, passages = database.counts(connection)
    faults = _faults(connection, dim)
    delete = f"{_HINT} {first_names(faults.unread)} --index {folder}"
    ingest = f"{_HINT} ID, rag ingest {first_names(list(faults.altered.values()))}"
    return [
        _finding("records", faults.unread, f"{documents:,} documents", delete),
        _finding("texts", list(faults.altered), "each matches its digest", ingest),
        _of_passages("passages", faults.misplaced, f"{passages:,} match their documents", faults),
        _of_passages("vectors", faults.bent, "complete and of length 1", faults),
    ]


def _faults(connection: sqlite3.Connection, dim: int) -> _Faults:
    """Check each document with its passages and vectors."""
    faults = _Faults()
    sql = "SELECT row, id, source, text, digest, metadata, pages, blocks FROM documents ORDER BY id"
    parts_of = "SELECT start, end, text, vector FROM passages WHERE document = ?"
    for row, document_id, source, text, digest, metadata, pages, blocks in connection.execute(sql):
        are_parsed = parsed_json(metadata) is not None and parsed_json(pages) is not None
        if not are_parsed or not are_blocks(blocks, len(text)):
            faults.unread.append(document_id)
        if schema.text_digest(text) != digest:
            faults.altered[document_id] = source

        parts = connection.execute(parts_of, (row,)).fetchall()
        are_placed = all(is_in(text, start, end, part) for start, end, part, _ in parts)
        is_without_parts = not parts and bool(text.strip())
        if not are_placed or is_without_parts:
            faults.misplaced.append(document_id)
        if not are_unit([vector for *_, vector in parts], dim):
            faults.bent.append(document_id)
    return faults


def _finding(
    name: str, ids: Sequence[str], intact: str, fix: str, documents: tuple[str, ...] = ()
) -> Finding:
    """A finding about the documents with these ids; `intact` is the detail if there are none."""
    detail = f"wrong in {len(ids)} documents: {first_names(ids)}" if ids else intact
    return Finding(name, not ids, detail, fix, documents)


def _of_passages(name: str, ids: Sequence[str], intact: str, faults: _Faults) -> Finding:
    """They can be made again, unless the text was altered, which that would hide."""
    repairable = tuple(document_id for document_id in ids if document_id not in faults.altered)
    fix = "see texts"
    if repairable:
        fix = "rebuild them from the text: rag index doctor --repair"
    return _finding(name, ids, intact, fix, repairable)


def _index_findings(
    connection: sqlite3.Connection, folder: Path, meta: dict[str, str]
) -> Iterator[Finding]:
    """Checks of the search indexes."""
    derived = SearchIndexes(folder, meta, WriteLock(folder), writable=False, wait=0)
    has_files = meta["generation"] != "0"
    problem = derived.problem if has_files else ""
    fix = f"rag index doctor rebuilds them if it may write: rag index info --index {folder}"
    detail = problem or "unchanged since they were written"
    yield Finding("search indexes' files", not problem, detail, fix, derived=True)

    differences = None if problem else derived.compare(connection)
    derived.sync(connection)
    differences = differences or derived.compare(connection)
    for name, counts in differences.items():
        surplus, missing, altered = counts
        detail = "the passages of the database"
        if any(counts):
            detail = f"{surplus} surplus passages, {missing} missing, {altered} altered"
        yield Finding(name, not any(counts), detail, fix, derived=True)


def _copies(connection: sqlite3.Connection) -> Finding:
    """Duplicates are harmless (equal passages are read once), but can be cleaned up."""
    documents = connection.execute("SELECT row, id, digest FROM documents ORDER BY id")
    passages = connection.execute("SELECT document, text FROM passages")
    hashed_passages = ((row, hash(text)) for row, text in passages)
    return Finding("copies", True, duplicates_in_words(duplicates(documents, hashed_passages)))


def _leftovers(connection: sqlite3.Connection, folder: Path) -> Finding:
    """Leftovers are harmless; reported because nothing else mentions them."""
    names = [path.name for path in folder.iterdir() if ".partial" in path.name]
    if reindex.unfinished_target(connection):
        rebuild = "rag index rebuild"
        names.append(f"a rebuild ({rebuild} resumes it, {rebuild} --abandon discards it)")
    detail = "none"
    if names:
        detail = f"from interrupted runs: {first_names(names)}"
    return Finding("leftovers", True, detail)
