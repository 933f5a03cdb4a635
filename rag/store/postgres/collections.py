"""Collections in PostgreSQL: a schema each, and a table in the default index's schema that says
which there are.

A change is one transaction, so that a crash leaves a collection whole or absent. A schema is named
by the collection's id, so that a name leads to another collection only by way of the table.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from psycopg import Connection, errors, sql

from rag.errors import ConflictError
from rag.settings import DEFAULT_COLLECTION, Settings
from rag.store.collection_folders import Collection, check_name, is_name, not_there
from rag.store.postgres.connection_pool import GUARD, Database, in_schema, schema_of

T = TypeVar("T")
_TABLE = """
CREATE TABLE IF NOT EXISTS rag_collections (
    id text PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    created text NOT NULL
)"""
_THERE = "SELECT to_regclass(quote_ident(current_schema()) || '.rag_collections') IS NOT NULL"
_PATIENCE = "5s"
"""How long a deletion waits for who reads or writes in the collection."""


class PostgresCollections:
    """Those beside the index in the database at `dsn`. What is kept in files, such as feedback, is
    in `folder`, by the collection's id.
    """

    def __init__(self, dsn: str, folder: Path) -> None:
        self._database = Database(dsn, wait=5.0, size=4, vectors=False)
        self._folder = folder / "collections"
        self._opening = threading.Lock()
        self._is_open = False

    def all(self) -> list[Collection]:
        """By name."""
        return self._read(lambda connection: _found(connection, "ORDER BY name"))

    def get(self, name: str) -> Collection | None:
        """Raises StoreError if the database does not answer."""
        if not is_name(name):
            return None
        found = self._read(lambda connection: _found(connection, "WHERE name = %s", name))
        return found[0] if found else None

    def named(self, name: str) -> Collection:
        """Raises NotFoundError."""
        found = self.get(name)
        if found is None:
            raise not_there(name, self.all())
        return found

    def inside(self, collection: Collection, settings: Settings) -> Settings:
        """The settings of the default index, changed to those of the collection's."""
        return replace(
            settings,
            store=in_schema(settings.store, collection.id),
            index=self._folder / collection.id,
            collection=DEFAULT_COLLECTION,
        )

    def with_uploads(self) -> list[str]:
        """Workers take up what waits in a database."""
        return []

    def create(self, name: str) -> Collection:
        """Raises InputError for what is not a name, ConflictError if there is one."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        made = Collection(uuid.uuid4().hex, check_name(name), when)
        there = self._change(lambda connection: _create(connection, made))
        if there != made:
            raise _taken(name)
        self._sweep()
        return made

    def rename(self, name: str, new: str) -> Collection:
        """Raises NotFoundError, ConflictError, InputError."""
        check_name(new)
        found = self.named(name)

        def change(connection: Connection[Any]) -> int:
            asked = "UPDATE rag_collections SET name = %s WHERE id = %s"
            return connection.execute(asked, (new, found.id)).rowcount

        try:
            changed = self._change(change)
        except errors.UniqueViolation as error:
            raise _taken(new) from error
        if not changed:
            raise not_there(name, self.all())
        return replace(found, name=new)

    def delete(self, name: str) -> Collection:
        """With all that is in it. Raises NotFoundError, BusyError while somebody works in it."""
        found = self.named(name)
        self._change(lambda connection: _delete(connection, found))
        self._sweep()
        return found

    def close(self) -> None:
        self._database.close()

    def _read(self, work: Callable[[Connection[Any]], T]) -> T:
        self._open()
        return self._database.read(work)

    def _change(self, work: Callable[[Connection[Any]], T]) -> T:
        self._open()
        return self._database.change(work)

    def _open(self) -> None:
        with self._opening:
            if not self._is_open:
                self._database.open(lambda _: None, changes=False)
                self._is_open = True

    def _sweep(self) -> None:
        """Remove the folders of collections that are gone; other servers have such folders too."""
        if not self._folder.is_dir():
            return
        kept = {one.id for one in self.all()}
        for entry in list(os.scandir(self._folder)):
            if entry.name not in kept:
                shutil.rmtree(entry.path, ignore_errors=True)


def _found(connection: Connection[Any], which: str, *values: str) -> list[Collection]:
    if connection.execute(_THERE).fetchone() != (True,):
        return []
    asked = f"SELECT id, name, created FROM rag_collections {which}"
    return [Collection(*row) for row in connection.execute(asked, values).fetchall()]


def _create(connection: Connection[Any], made: Collection) -> Collection:
    """What has the name afterwards: `made`, or another that had it before."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('rag schema', 0))")
    connection.execute(_TABLE)
    there = _found(connection, "WHERE name = %s", made.name)
    if there:
        return there[0]
    values = (made.id, made.name, made.created)
    connection.execute("INSERT INTO rag_collections VALUES (%s, %s, %s)", values)
    schema = sql.Identifier(schema_of(made.id))
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    connection.execute(sql.SQL("CREATE TABLE {}.{} ()").format(schema, sql.Identifier(GUARD)))
    return made


def _delete(connection: Connection[Any], found: Collection) -> None:
    """Whoever works in it holds the guard table: their work ends first, and none begins later."""
    connection.execute("DELETE FROM rag_collections WHERE id = %s", (found.id,))
    name = schema_of(found.id)
    if connection.execute("SELECT to_regnamespace(%s)", (name,)).fetchone() == (None,):
        return  # this is the second try of a change whose first was made
    schema, guard = sql.Identifier(name), sql.Identifier(GUARD)
    connection.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
    connection.execute(sql.SQL("LOCK TABLE {}.{}").format(schema, guard))
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))


def _taken(name: str) -> ConflictError:
    return ConflictError(f"there is already a collection {name}", "choose another name")
