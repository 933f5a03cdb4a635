"""Collections in PostgreSQL: one schema each, listed in a table in the default index's schema.

A change is one transaction, so a crash leaves a collection complete or absent. Schemas are named by
the collection's id, so a name leads to another collection only through the table.
"""

from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from psycopg import Connection, errors, sql

from rag.settings import DEFAULT_COLLECTION, Settings
from rag.store.collections import Collection, Collections, check_name, is_name, is_taken
from rag.store.postgres.connection_pool import GUARD, Database, in_schema, schema_of

_TABLE = """
CREATE TABLE IF NOT EXISTS rag_collections (
    id text PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    created text NOT NULL
)"""
_EXISTS = "SELECT to_regclass(quote_ident(current_schema()) || '.rag_collections') IS NOT NULL"
_PATIENCE = "5s"
"""How long a deletion waits for readers and writers of the collection."""


class PostgresCollections(Collections):
    """Collections in the database at `dsn`; files such as feedback are in `folder`, by id."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self._database = Database(dsn, wait=5.0, size=4, vectors=False)
        self._folder = folder / "collections"
        self._opening = threading.Lock()
        self._is_open = False

    def all(self) -> list[Collection]:
        return self._opened().read(lambda connection: listed(connection, "ORDER BY name"))

    def get(self, name: str) -> Collection | None:
        if not is_name(name):
            return None
        matches = self._opened().read(lambda c: listed(c, "WHERE name = %s", name))
        return matches[0] if matches else None

    @staticmethod
    def inside(collection: Collection, settings: Settings) -> Settings:
        index = settings.index / "collections" / collection.id
        store = in_schema(settings.store, collection.id)
        return replace(settings, store=store, index=index, collection=DEFAULT_COLLECTION)

    def _add(self, collection: Collection) -> None:
        existing = self._opened().change(lambda connection: _create(connection, collection))
        if existing != collection:
            raise is_taken(collection.name)
        self._sweep()

    def rename(self, name: str, new_name: str) -> Collection:
        check_name(new_name)
        collection = self.named(name)
        sql, values = (
            "UPDATE rag_collections SET name = %s WHERE id = %s",
            (new_name, collection.id),
        )
        try:
            changed = self._opened().change(lambda c: c.execute(sql, values).rowcount)
        except errors.UniqueViolation as error:
            raise is_taken(new_name) from error
        if not changed:
            raise self._not_found(name)
        return replace(collection, name=new_name)

    def delete(self, name: str) -> Collection:
        collection = self.named(name)
        self._opened().change(lambda connection: _delete(connection, collection))
        self._sweep()
        return collection

    def close(self) -> None:
        self._database.close()

    def _opened(self) -> Database:
        with self._opening:
            if not self._is_open:
                self._database.open(lambda _: None, changes=False)
                self._is_open = True
        return self._database

    def _sweep(self) -> None:
        """Remove the folders of deleted collections; other servers have such folders, too."""
        if not self._folder.is_dir():
            return
        known_ids = {collection.id for collection in self.all()}
        for entry in list(os.scandir(self._folder)):
            if entry.name not in known_ids:
                shutil.rmtree(entry.path, ignore_errors=True)


def listed(connection: Connection[Any], clause: str, *values: str) -> list[Collection]:
    if connection.execute(_EXISTS).fetchone() != (True,):
        return []
    sql = f"SELECT id, name, created FROM rag_collections {clause}"
    return [Collection(*row) for row in connection.execute(sql, values).fetchall()]


def _create(connection: Connection[Any], collection: Collection) -> Collection:
    """The collection of this name afterwards: `collection`, or one that existed before."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('rag schema', 0))")
    connection.execute(_TABLE)
    existing = listed(connection, "WHERE name = %s", collection.name)
    if existing:
        return existing[0]
    values = (collection.id, collection.name, collection.created)
    connection.execute("INSERT INTO rag_collections VALUES (%s, %s, %s)", values)
    schema = sql.Identifier(schema_of(collection.id))
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    connection.execute(sql.SQL("CREATE TABLE {}.{} ()").format(schema, sql.Identifier(GUARD)))
    return collection


def _delete(connection: Connection[Any], collection: Collection) -> None:
    """Readers and writers hold the guard table, so their work ends first and none starts later."""
    connection.execute("DELETE FROM rag_collections WHERE id = %s", (collection.id,))
    name = schema_of(collection.id)
    if connection.execute("SELECT to_regnamespace(%s)", (name,)).fetchone() == (None,):
        return  # a retry of a change whose first try succeeded
    schema, guard = sql.Identifier(name), sql.Identifier(GUARD)
    connection.execute(f"SET LOCAL lock_timeout = '{_PATIENCE}'")
    connection.execute(sql.SQL("LOCK TABLE {}.{}").format(schema, guard))
    connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(schema))
