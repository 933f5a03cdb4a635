"""A stranger's snapshots: refused without changes, or only their documents are restored."""

import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from rag.errors import StoreError
from rag.files import sha256_file
from rag.store.local import snapshots
from tests.store.helpers import EMBEDDER, both, local
from tests.store.local.filled import ALL, filled_index

SECRET = "Xylophones were deleted."
Attack = Callable[[sqlite3.Connection], object]
_NAN = struct.pack("<f", float("nan")) * EMBEDDER.dim


def forged(folder: Path, path: Path, attack: Attack) -> Path:
    """A snapshot with a correct digest, but altered."""
    snapshots.take_snapshot(folder, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        attack(connection)
        digest = snapshots._digest(connection)
        connection.execute("UPDATE meta SET value = ? WHERE key = 'snapshot_digest'", (digest,))
    return path


def script(text: str) -> Attack:
    return lambda connection: connection.executescript(text)


def statement(sql: str, *values: object) -> Attack:
    return lambda connection: connection.execute(sql, values)


def documents(column: str, *values: object) -> Attack:
    """Changes a column of each document, to a value or an SQL literal."""
    return statement(f"UPDATE documents SET {column}", *values)


def passages(column: str, *values: object) -> Attack:
    return statement(f"UPDATE passages SET {column}", *values)


def meta(key: str, value: str) -> Attack:
    return statement("UPDATE meta SET value = ? WHERE key = ?", value, key)


def endless_view(connection: sqlite3.Connection) -> None:
    connection.executescript("ALTER TABLE documents RENAME TO real_documents")
    digest = connection.execute("SELECT value FROM meta WHERE key = 'snapshot_digest'").fetchone()
    connection.executescript(
        "CREATE VIEW documents AS WITH RECURSIVE n(row) AS (SELECT 1 UNION ALL SELECT row + 1 "
        "FROM n) SELECT row, row AS id, '' AS title, '' AS source, '' AS sha256, '{}' AS metadata, "
        "'[]' AS pages, '' AS stamp, '' AS text, x'' AS blocks, '' AS digest FROM n;"
    )
    raise _Signed(digest)


class _Signed(Exception):
    """Stops before a digest is computed, which would not end."""


REFUSED: dict[str, Attack] = {
    "vector of another size": passages("vector = x'00000000'"),
    "vector without a direction": passages("vector = zeroblob(?)", 4 * EMBEDDER.dim),
    "vector that is no number": passages("vector = ?", _NAN),
    "vector that is text": passages("vector = 'x'"),
    "metadata that is no JSON": documents("metadata = '{'"),
    "metadata that is nested": documents("metadata = ?", "[" * 100_000),
    "metadata that is a list": documents("metadata = '[]'"),
    "metadata with numbers": documents("metadata = '{\"a\": 1}'"),
    "pages that are no numbers": documents("pages = '[\"1\"]'"),
    "pages in disorder": documents("pages = '[9, 1]'"),
    "blocks that are no blocks": documents("blocks = x'00'"),
    "blocks that grow": documents("blocks = ?", zlib.compress(bytes(100_000_000))),
    "text of another digest": documents("text = 'Sardines.'"),
    "title that is a number": documents("title = x'41'"),
    "passage of another text": passages("text = 'Herrings'"),
    "passage outside the text": passages("start = -5"),
    "passage without a document": passages("document = 99"),
    "passage with a huge number": passages("id = 9007199254740993 WHERE id = 1"),
    "generation without end": meta("generation", "9" * 400),
    "generation that is no number": meta("generation", "x"),
    "vectors of a million numbers": meta("dim", "1000000"),
    "an older format": meta("format", "4"),
    "no embedder": statement("DELETE FROM meta WHERE key = 'embedder'"),
    "a generated column": script("ALTER TABLE documents ADD COLUMN x TEXT AS (hex(text))"),
    "a further column": script("ALTER TABLE passages ADD COLUMN x TEXT"),
    "a view that does not end": endless_view,
    "a virtual table": script("DROP TABLE passages; CREATE VIRTUAL TABLE passages USING fts5(id)"),
    "no passages": script("DROP TABLE passages"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_forged_snapshot_changes_nothing(folder: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "forged.ragsnap"
    with suppress(_Signed, sqlite3.DatabaseError):  # it cannot be signed, and need not be
        forged(folder, path, REFUSED[name])
    assert_refused(folder, path, "format 4, this version reads" if "format" in name else "")


@pytest.mark.parametrize("kept_share", [0.99, 0.5, 0.01, 0])
def test_a_truncated_snapshot_changes_nothing(
    folder: Path, tmp_path: Path, kept_share: float
) -> None:
    path = Path(snapshots.take_snapshot(folder, tmp_path / "a").path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept_share)])
    assert_refused(folder, path)


def assert_refused(folder: Path, path: Path, reason: str = "") -> None:
    database = (folder / "rag.sqlite").read_bytes()
    with pytest.raises(StoreError, match=f"{path}.*{reason}"):
        snapshots.restore(folder, path, replace=True, wait=0)
    assert (folder / "rag.sqlite").read_bytes() == database
    assert not list(folder.glob(".restore*"))
    assert both(local(folder), "sardines") == [ALL, ALL]


RESURRECTING: dict[str, Attack] = {
    "a trigger": script(
        "CREATE TRIGGER back AFTER DELETE ON documents BEGIN INSERT INTO documents VALUES "
        f"(old.row, old.id, '{SECRET}', '', '', '{{}}', '[]', '', old.text, old.blocks, "
        "old.digest); END"
    ),
    "another table": script(f"CREATE TABLE notes (text); INSERT INTO notes VALUES ('{SECRET}')"),
    "a view": script(f"CREATE VIEW notes AS SELECT '{SECRET}' AS text"),
    "deleted pages": script(
        f"PRAGMA secure_delete = OFF; CREATE TABLE notes (text); INSERT INTO notes VALUES "
        f"('{SECRET * 500}'); DROP TABLE notes"
    ),
    "passages of a rebuild": script(
        f"CREATE TABLE next_passages (text); INSERT INTO next_passages VALUES ('{SECRET}'); "
        "INSERT INTO meta VALUES ('rebuild', '{}')"
    ),
    "an entry of meta": statement("INSERT INTO meta VALUES ('note', ?)", SECRET),
    "an expression in an index": script(
        f"CREATE INDEX expensive ON documents (text || '{SECRET}')"
    ),
}


@pytest.mark.parametrize("name", RESURRECTING)
def test_only_the_rows_of_a_snapshot_are_restored(folder: Path, tmp_path: Path, name: str) -> None:
    path = forged(folder, tmp_path / "forged.ragsnap", RESURRECTING[name])
    assert SECRET.encode() in path.read_bytes()
    snapshots.restore(folder, path, replace=True, wait=0)
    store = local(folder)
    assert store.delete("a")
    assert both(store, "sardines") == [ALL - {"a"}] * 2
    store.close()
    assert SECRET.encode() not in (folder / "rag.sqlite").read_bytes()
    assert schema(folder) == schema(filled_index(tmp_path / "new", "c"))


def schema(folder: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(folder / "rag.sqlite")) as connection:
        return set(connection.execute("SELECT type, name FROM sqlite_master"))


def test_a_restored_source_elsewhere_is_only_a_name(tmp_path: Path) -> None:
    """Unless the file there is, byte for byte, what was read."""
    index, restored = tmp_path / "home/index", tmp_path / "home/restored"
    secret, read = tmp_path / "secret.txt", tmp_path / "read.txt"
    secret.write_text("The key is Wexcombe.")
    read.write_text("Sardines swim.")
    inner_file = tmp_path / "home/docs/c.txt"
    sources = {
        "a": (f"{secret}", "1" * 64, f"{secret.name}"),
        "b": (f"{read}", sha256_file(read), f"{read}"),
        "c": (f"{inner_file}", "1" * 64, f"{inner_file}"),
    }
    filled_index(index, ALL)

    def attack(connection: sqlite3.Connection) -> None:
        sql = "UPDATE documents SET source = ?, sha256 = ? WHERE id = ?"
        for name, (source, digest, _) in sources.items():
            connection.execute(sql, (source, digest, name))
        connection.execute("UPDATE meta SET value = ? WHERE key = 'root'", (f"{tmp_path}/x",))

    path = forged(index, tmp_path / "forged.ragsnap", attack)
    snapshots.restore(restored, path, replace=False, wait=0)
    store = local(restored, create=False)
    assert {d.id: d.source for d in store.documents()} == {
        name: source for name, (*_, source) in sources.items()
    }


def test_a_file_below_the_root_is_found_by_no_way_around(tmp_path: Path) -> None:
    index = tmp_path / "home/index"
    filled_index(index, ALL)
    path_around = f"{tmp_path}/home/../secret.txt"
    (tmp_path / "secret.txt").write_text("The key is Wexcombe.")
    path = forged(index, tmp_path / "forged.ragsnap", documents("source = ?", path_around))
    snapshots.restore(tmp_path / "home/restored", path, replace=False, wait=0)
    store = local(tmp_path / "home/restored", create=False)
    assert {document.source for document in store.documents()} == {"secret.txt"}
