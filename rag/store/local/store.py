"""The local store: a folder with a SQLite database as the source of truth, and FAISS and Tantivy
indexes derived from it.

The sources of documents are absolute paths. The root, the folder that contains the index, is stored
with them. If documents were moved or copied together with the index, the next process that opens it
for writing notices this by the root, and updates their sources.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np

from rag.errors import AbsentError, StoreError
from rag.packed_blocks import PackedBlocks
from rag.protocols import CellRow, Filter, Footprint, ScoredIds, Stats, Vectors
from rag.settings import root_of
from rag.store import check, check_settings
from rag.store.local import database, schema, sqlite_file
from rag.store.local.indexes import SearchIndexes
from rag.store.local.sqlite_file import Reserve, WriteLock
from rag.types import Document, Passage


def follow(connection: sqlite3.Connection, folder: Path) -> None:
    """Record the index's root; if it has changed, update the sources that moved with it."""
    root = root_of(folder)
    last_root = sqlite_file.read_meta(connection).get(schema.ROOT_KEY)
    if root == last_root:
        return
    moved = [] if last_root is None else _moved_rows(connection, last_root, root)
    below_root = len(last_root or "") + 1
    with database.change(connection) if moved else database.transaction(connection):
        sql = "UPDATE documents SET source = ? || substr(source, ?) WHERE row = ?"
        connection.executemany(sql, ((root, below_root, row) for row in moved))
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (schema.ROOT_KEY, root))


def _moved_rows(connection: sqlite3.Connection, last_root: str, new_root: str) -> list[int]:
    """Rows of the documents that moved from below one root to below another; [] if nothing is below
    the new one. The documents of a top folder move together: if one of their files is below the new
    root, or none is left below the old one.
    """

    def is_any_in(root: str, files: Sequence[tuple[int, str]]) -> bool:
        return any(os.path.exists(root + relative_path) for _, relative_path in files)

    folders = _by_top_folder(connection, last_root)
    names_here = [name for name, files in folders.items() if is_any_in(new_root, files)]
    if not names_here:
        return []
    moved = []
    for name, files in folders.items():
        if name in names_here or not is_any_in(last_root, files):
            moved += [row for row, _ in files]
    return moved


def _by_top_folder(connection: sqlite3.Connection, root: str) -> dict[str, list[tuple[int, str]]]:
    """The documents below a root, as (row, path of the file from the root on), by the folder in it;
    "" for those that are in no folder.
    """
    folders: dict[str, list[tuple[int, str]]] = {}
    for row, source, stamp in connection.execute("SELECT row, source, stamp FROM documents"):
        if not source.startswith(f"{root}/"):
            continue
        document = Document("", "", "", source, "", container_sha256=stamp)
        relative_path = document.file[len(root) :]
        name, _, path_below = relative_path[1:].partition("/")
        folders.setdefault(name if path_below else "", []).append((row, relative_path))
    return folders


_QUICK = 20_000
"""Number of passages whose full text can be rewritten in about a second."""
_PATIENCE_MS = 2000
"""How long a deletion waits for readers to release the write-ahead log."""
_HOLDS = "record LIKE '{%'"
"""A cell's record is not the time at which its document was deleted."""
_QUOTES = "EXISTS (SELECT 1 FROM json_each(documents) WHERE value = ?)"
_EXIST = """EXISTS (SELECT 1 FROM grids WHERE name = :grid) AND NOT EXISTS
    (SELECT 1 FROM json_each(:documents) WHERE value NOT IN (SELECT id FROM documents))"""
_TIME = "'\"' || strftime('%Y-%m-%dT%H:%M:%fZ', 'now') || '\"'"


class LocalStore:
    """A folder with `rag.sqlite` and the search indexes derived from it. Thread-safe.

    A change touches only SQLite; search indexes catch up at the end of `writing()`, or in a search.
    """

    def __init__(
        self, folder: Path, expect: Mapping[str, str], create: bool = False, wait: float = 5.0
    ) -> None:
        """Open the index in `folder`; with `create`, create it if needed.

        `expect` holds the required `embedder` and `passage_tokens`, and `dim` for a new index.
        Raises StoreError if the index is missing, broken or does not match. Changes wait up to
        `wait` seconds for another process.
        """
        self.folder = folder
        self._path = folder / "rag.sqlite"
        self._wait = wait
        self._expect = dict(expect)
        self._mutex = threading.RLock()
        self._counts = ("", ""), (0, 0)
        """(store, generation) and its numbers of (documents, passages)"""
        self._keys = ("", ""), frozenset[str]()
        """(store, generation) and the keys of its documents' metadata"""
        self._lock = WriteLock(folder)
        self._reserve = Reserve(folder)
        self._connection = self._connect(expect if create else None)
        try:
            self._open()
        except BaseException:
            self._connection.close()
            raise

    def _connect(self, create: Mapping[str, str] | None) -> sqlite3.Connection:
        """Open the database, or make it with these settings if it is absent."""
        try:
            return sqlite_file.connect(self._path)
        except AbsentError:
            if create is None:
                raise
        except StoreError:  # perhaps there is no space for the log
            with self._reserve.given_back():
                return sqlite_file.connect(self._path)

        sqlite_file.make_folder(self.folder)
        with self._lock.hold(self._wait):
            return sqlite_file.connect(self._path, create)

    def _open(self) -> None:
        with sqlite_file.translated(self._path):
            meta = sqlite_file.read_meta(self._connection)
            remedy = "rebuild the index from its text: rag index rebuild"
            check_settings(f"index {self.folder}", meta, self._expect, remedy)
            self._dim = int(meta["dim"])
            self._store = meta["store"]
            writable = sqlite_file.writable(self._path)
            if writable:
                follow(self._connection, self.folder)
            self._stamp = None if writable else sqlite_file.stamp(self._path)
            self._inode = sqlite_file.inode(self._path)
            self._derived = SearchIndexes(self.folder, meta, self._lock, writable, self._wait)
            self._derived.sync(self._connection)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """The connection to the database, also after another process has replaced its file."""
        with self._mutex, sqlite_file.translated(self._path):
            stamp = sqlite_file.stamp(self._path) if self._stamp else None
            is_same_file = self._inode == sqlite_file.inode(self._path)
            if self._stamp != stamp or not is_same_file:
                self._connection.close()
                self._connection = sqlite_file.connect(self._path)
                self._stamp = stamp
                self._inode = sqlite_file.inode(self._path)
            # restored or rebuilt by another process
            if sqlite_file.read_meta(self._connection).get("store") != self._store:
                self._open()
            yield self._connection

    # Changes

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._lock.hold(self._wait):
            try:
                yield
            finally:
                with self._database() as connection:
                    self._derived.sync(connection)

    @contextmanager
    def _locked_connection(self) -> Iterator[sqlite3.Connection]:
        """The connection, with the write lock."""
        with self._lock.hold(self._wait), self._database() as connection:
            yield connection

    def put(
        self,
        document: Document,
        passages: Sequence[Passage],
        vectors: Vectors,
        instead_of: str | None = None,
    ) -> None:
        check(document, passages)
        values = (
            document.id,
            document.title,
            document.source,
            document.sha256,
            json.dumps(dict(document.metadata), ensure_ascii=False),
            json.dumps(document.pages),
            document.container_sha256,
            document.text,
            PackedBlocks.of(document.blocks).data,
            schema.text_digest(document.text),
        )
        sql = f"INSERT INTO documents ({database.COLUMNS}, digest) VALUES (?{', ?' * 9})"
        rows = np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(passages), self._dim)
        with self._locked_connection() as connection:
            with database.change(connection):
                replaced = (document.id, instead_of)
                connection.execute("DELETE FROM documents WHERE id IN (?, ?)", replaced)
                if instead_of:
                    _rename_in_cells(connection, instead_of, document.id)
                row = connection.execute(sql, values).lastrowid or 0
                database.insert_passages(connection, "passages", row, passages, rows)

            text_bytes = len(document.text.encode())
            self._grow_reserve(2 * text_bytes + rows.nbytes)

    def delete(self, document_id: str) -> bool:
        exists = "SELECT 1 FROM documents WHERE id = ?"
        blank_cells = f"UPDATE cells SET record = {_TIME} WHERE {_HOLDS} AND {_QUOTES}"
        with self._locked_connection() as connection:
            if connection.execute(exists, (document_id,)).fetchone() is None:
                return False
            with database.change(connection):
                connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
                connection.execute(blank_cells, (document_id,))
        return True

    def _grow_reserve(self, stored: int) -> None:
        self._reserve.grow(stored, sqlite_file.log_bytes(self._path))

    def erasing(self) -> AbstractContextManager[None]:
        return self._reserve.given_back()

    def update_digests(self, stamps: Mapping[str, str]) -> None:
        sql = "UPDATE documents SET stamp = ? WHERE id = ?"
        values = [(stamp, document_id) for document_id, stamp in stamps.items()]
        with self._locked_connection() as connection, database.transaction(connection):
            connection.executemany(sql, values)

    def keep_original(self, document_id: str, content: bytes) -> None:
        sql = "INSERT OR REPLACE INTO originals SELECT id, ? FROM documents WHERE id = ?"
        with self._locked_connection() as connection:
            with database.transaction(connection):
                connection.execute(sql, (content, document_id))
            self._grow_reserve(len(content))

    # Queries

    @contextmanager
    def _searching(self) -> Iterator[sqlite3.Connection]:
        """The connection, with search indexes that show its rows."""
        with self._database() as connection:
            self._derived.sync(connection)
            yield connection

    def dense(self, vector: Vectors, k: int, filter: Filter | None = None) -> ScoredIds:
        with self._searching() as connection:
            allowed = _allowed_ids(connection, filter)
            return self._derived.dense.search(connection, vector, k, allowed)

    def lexical(self, question: str, k: int, filter: Filter | None = None) -> ScoredIds:
        with self._searching() as connection:
            allowed = _allowed_ids(connection, filter)
            return self._derived.text.search(question, k, allowed)

    def word_counts(self, words: Sequence[str]) -> dict[str, int]:
        with self._searching():
            counts = {word: self._derived.text.doc_freq(word) for word in words}
        return {word: count for word, count in counts.items() if count}

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        with self._database() as connection:
            present_ids, rows = database.vectors(connection, ids, self._dim)
            cosines = (rows @ vector).tolist()
            return dict(zip(present_ids, cosines, strict=True))

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        with self._database() as connection:
            return database.passages(connection, ids)

    def embedded(self, document_id: str) -> tuple[list[Passage], Vectors]:
        sql = f"SELECT {database.PASSAGE}, p.vector {database.JOINED} WHERE d.id = ? ORDER BY p.id"
        with self._database() as connection:
            rows = connection.execute(sql, (document_id,)).fetchall()
        passages = []
        parts = []
        for *fields, vector in rows:
            passages.append(database.passage_of(*fields))
            parts.append(vector)
        numbers = np.frombuffer(b"".join(parts), dtype=np.float32)
        return passages, numbers.reshape(len(rows), self._dim)

    def document(self, document_id: str) -> Document | None:
        with self._database() as connection:
            return database.document(connection, document_id)

    def documents(self, after: str = "", limit: int | None = None) -> list[Document]:
        with self._database() as connection:
            return database.documents(connection, after, limit)

    def metadata_keys(self) -> frozenset[str]:
        with self._database() as connection, database.snapshot(connection):
            meta = sqlite_file.read_meta(connection)
            state = (meta["store"], meta["generation"])
            last_state, keys = self._keys
            if last_state != state:
                keys = database.metadata_keys(connection)
                self._keys = state, keys
            return keys

    def original(self, document_id: str) -> bytes | None:
        sql = "SELECT content FROM originals WHERE id = ?"
        with self._database() as connection:
            row = connection.execute(sql, (document_id,)).fetchone()
        return row[0] if row else None

    def stats(self) -> Stats:
        with self._database() as connection, database.snapshot(connection):
            meta = sqlite_file.read_meta(connection)
            state = (meta["store"], meta["generation"])
            last_state, counts = self._counts
            if last_state != state:  # counting a million rows takes 20 ms
                counts = database.counts(connection)
                self._counts = state, counts
        documents, passages = counts
        return Stats(
            documents=documents,
            passages=passages,
            generation=int(meta["generation"]),
            embedder=meta["embedder"],
            dim=int(meta["dim"]),
            passage_tokens=int(meta["passage_tokens"]),
            dense=self._derived.dense.index.index_type,
        )

    def trace(self, document_id: str, numbers: Sequence[int] = ()) -> Footprint:
        counted = f"""SELECT (SELECT count(*) FROM documents WHERE id = ?),
            (SELECT count(*) FROM originals WHERE id = ?),
            (SELECT count(*) FROM cells WHERE {_HOLDS} AND {_QUOTES})"""
        listed = "SELECT p.id FROM passages p JOIN documents d ON d.row = p.document WHERE d.id = ?"
        with self._searching() as connection:
            stored_rows = connection.execute(listed, (document_id,)).fetchall()
            ids = sorted({*(number for (number,) in stored_rows), *numbers})
            counts = connection.execute(counted, [document_id] * 3).fetchone()
            documents, originals, cells = counts
            passages = len(database.passages(connection, ids))
            vectors = self._derived.dense.count(ids)
            words = self._derived.text.count(ids)
            unmerged = self._derived.text.unmerged()
        return Footprint(
            documents=documents,
            passages=passages,
            vectors=vectors,
            words=words,
            log_bytes=sqlite_file.log_bytes(self._path),
            unmerged=unmerged,
            snapshots=self._snapshots_with(document_id),
            numbers=tuple(ids),
            originals=originals,
            cells=cells,
        )

    def _snapshots_with(self, document_id: str) -> tuple[str, ...]:
        """The paths of the snapshots that have a document."""
        from rag.store.local import snapshots  # here, because only deletions need it

        paths = []
        for path in snapshots.taken(self.folder):
            if snapshots.has_document(path, document_id):
                paths.append(str(path))
        return tuple(paths)

    def vacuum(self) -> None:
        with self._lock.hold(self._wait), self._searching() as connection:
            self._derived.vacuum(connection, _QUICK)
            sqlite_file.checkpoint(connection, self._path, _PATIENCE_MS)

    # Grids; changed without the write lock, since searches do not depend on them

    def grids(self) -> dict[str, str]:
        with self._database() as connection:
            return dict(connection.execute("SELECT name, record FROM grids ORDER BY name"))

    def put_grid(self, name: str, record: str) -> None:
        sql = "INSERT INTO grids VALUES (?, ?) ON CONFLICT DO UPDATE SET record = excluded.record"
        with self._database() as connection, database.transaction(connection):
            connection.execute(sql, (name, record))

    def delete_grid(self, name: str) -> bool:
        with self._database() as connection, database.transaction(connection):
            connection.execute("DELETE FROM cells WHERE grid = ?", (name,))
            deleted = connection.execute("DELETE FROM grids WHERE name = ?", (name,))
            return deleted.rowcount > 0

    def cells(self, grid: str) -> list[CellRow]:
        columns = "row, name, documents, record, number"
        sql = f"SELECT {columns} FROM cells WHERE grid = ? ORDER BY number"
        with self._database() as connection:
            rows = connection.execute(sql, (grid,)).fetchall()
        cells = []
        for row, name, documents, record, number in rows:
            document_ids = tuple(json.loads(documents))
            cells.append(CellRow(row, name, document_ids, record, number))
        return cells

    def cell_states(self, grid: str) -> list[tuple[str, str, str, str]]:
        state = (
            "coalesce(json_extract(record, '$.rating.verdict'), json_extract(record, '$.state'))"
        )
        sql = f"""SELECT row, name, iif({_HOLDS}, {state}, ''),
            json_extract(record, iif({_HOLDS}, '$.at', '$'))
            FROM cells WHERE grid = ? AND json_valid(record) ORDER BY number"""
        with self._database() as connection:
            return connection.execute(sql, (grid,)).fetchall()

    def put_cells(self, grid: str, rows: Sequence[CellRow]) -> int:
        columns = "grid, row, name, documents, record"
        values = ":grid, :row, :column, :documents, :record"
        insertion = f"INSERT INTO cells ({columns}) SELECT {values} WHERE {_EXIST}"
        newer = f"""UPDATE cells SET documents = :documents, record = :record
            WHERE number = :number AND grid = :grid AND {_HOLDS} AND {_EXIST}"""
        written = 0
        with self._database() as connection, database.transaction(connection):
            for cell in rows:
                fields = cell._asdict()
                fields |= {"grid": grid, "documents": json.dumps(cell.documents)}
                sql = newer if cell.number else insertion
                written += connection.execute(sql, fields).rowcount
        return written

    def close(self) -> None:
        with self._mutex:
            self._connection.close()


def _allowed_ids(connection: sqlite3.Connection, filter: Filter | None) -> list[int] | None:
    """The ids of the passages that pass the filter; None for all."""
    return database.passage_ids(connection, filter) if filter else None


def _rename_in_cells(connection: sqlite3.Connection, name_before: str, name_now: str) -> None:
    """Give a document its new id in the cells that quote it."""
    quoting = f"SELECT number, documents FROM cells WHERE {_QUOTES}"
    renaming = "UPDATE cells SET documents = ?, row = iif(row = ?, ?, row) WHERE number = ?"
    for number, documents in connection.execute(quoting, (name_before,)).fetchall():
        ids = [name_now if name == name_before else name for name in json.loads(documents)]
        connection.execute(renaming, (json.dumps(ids), name_before, name_now, number))
