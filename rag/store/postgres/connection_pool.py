"""Pools of connections to PostgreSQL that follow a failover, and errors without the password."""

from __future__ import annotations

import logging
import random
import re
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

import psycopg
from pgvector.psycopg import register_vector
from psycopg import Connection, conninfo, sql
from psycopg_pool import ConnectionPool, PoolTimeout

from rag.errors import AbsentError, BusyError, InputError, StoreError
from rag.settings import public_address

logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # StoreError says the same, once
T = TypeVar("T")
Work = Callable[[Connection[Any]], T]
_DEFAULTS = {
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
    "application_name": "rag",
}
"""These settings detect a silently lost server within seconds, not hours."""
GUARD = "rag_collection"
"""A table that exists in a collection's schema as long as the schema does."""
_IN_SCHEMA = re.compile(r"-csearch_path=(rag_collection_[0-9a-f]{32}),public$")
_RECONNECT = 5.0
"""Seconds of attempts, with growing pauses, to replace a lost connection. The next call begins
anew, so the pauses do not outlast an outage.
"""
_GONE = ("08", "57P", "25006")
"""SQLSTATEs of a lost connection, an unready server, and a former primary, now read-only."""


class Database:
    """Two pools: `change` uses the primary, `read` any server that `target_session_attrs` allows.

    Work that loses its server is retried on whichever server answers, for up to `wait` seconds.
    Work in a collection holds its guard table: without the collection's schema, its table names
    would resolve to those of the default index.
    """

    def __init__(self, dsn: str, wait: float = 30.0, size: int = 10, vectors: bool = True) -> None:
        """Raises InputError for an invalid DSN; does not connect yet. `vectors` needs pgvector."""
        self.place = public_address(dsn)
        self._wait = wait

        parts = _parts(dsn, self.place)
        options = str(parts.get("options", ""))
        schema = _IN_SCHEMA.search(options)
        self._schema = schema[1] if schema else ""

        self.anywhere = conninfo.make_conninfo(**{**_DEFAULTS, **parts})
        self.primary = self.anywhere
        minimum = 0 if self._schema else 1
        self._reading = _pool(self.anywhere, size, minimum, vectors)
        self._changing = self._reading
        has_several = "," in str(parts.get("host", "")) or "target_session_attrs" in parts
        if has_several:
            self.primary = conninfo.make_conninfo(self.anywhere, target_session_attrs="read-write")
            self._changing = _pool(self.primary, size, minimum, vectors)

        self.own = self.primary
        """like `primary`, with a collection's own schema alone in its search path"""
        if schema:
            own_options = options.removesuffix(",public")
            self.own = conninfo.make_conninfo(self.primary, options=own_options)

        self._end = weakref.finalize(self, _close, self._reading, self._changing)

    def open(self, task: Work[T], changes: bool = True) -> T:
        """Run `task` on a first connection, on the primary if it `changes` things; open pools."""
        result = self.run_alone(lambda connection: self._run_with_lock(connection, task), changes)
        for pool in {id(p): p for p in (self._reading, self._changing)}.values():
            pool.open()
        return result

    def read(self, task: Work[T]) -> T:
        """Run `task` and return its result. It is retried if its server is lost."""
        return self._run(self._reading, task)

    def rows(self, sql: str, *values: object) -> list[Any]:
        """The rows of a query, as `read` does it."""
        return self.read(lambda connection: connection.execute(sql, values).fetchall())

    def change(self, task: Work[T]) -> T:
        """Like `read`, in a transaction on the primary; may run again after a lost reply."""

        def run_in_transaction(connection: Connection[Any]) -> T:
            with connection.transaction():
                return task(connection)

        return self._run(self._changing, run_in_transaction)

    def run_alone(self, task: Work[T], changes: bool = True) -> T:
        """Run `task` outside transactions and pools, on the primary if it `changes` something."""
        info = self.primary if changes else self.anywhere
        try:
            with translated(self.place), Connection.connect(info, autocommit=True) as connection:
                self._hold(connection)
                return task(connection)
        except _Lost as lost:
            raise self._unanswered(lost) from None

    def close(self) -> None:
        self._end()

    def _unanswered(self, lost: _Lost) -> StoreError:
        hint = "check the address, and that the server accepts connections"
        return StoreError(f"{self.place} does not answer: {lost}", hint)

    def _run(self, pool: ConnectionPool[Connection[Any]], task: Work[T]) -> T:
        deadline = time.monotonic() + self._wait
        while True:
            try:
                with (
                    translated(self.place),
                    pool.connection(timeout=max(0.1, deadline - time.monotonic())) as connection,
                ):
                    try:
                        return self._run_with_lock(connection, task)
                    except psycopg.errors.ReadOnlySqlTransaction:
                        connection.close()  # no longer a primary, so not to be handed out again
                        raise
            except _Lost as lost:
                if time.monotonic() >= deadline:
                    raise self._unanswered(lost) from None
                pool.drain()
                time.sleep(random.uniform(0.05, 0.3))

    def _run_with_lock(self, connection: Connection[Any], task: Work[T]) -> T:
        """Run `task` and return its result; a deletion of the collection waits for it."""
        if not self._schema:
            return task(connection)
        with connection.transaction():
            self._hold(connection)
            return task(connection)

    def _hold(self, connection: Connection[Any]) -> None:
        if self._schema:
            guard = sql.Identifier(self._schema, GUARD)
            connection.execute(sql.SQL("SELECT FROM {} LIMIT 0").format(guard))


class _Lost(Exception):
    """The server was lost; a retry may find one."""


def _pool(info: str, size: int, minimum: int, vectors: bool) -> ConnectionPool[Connection[Any]]:
    """A pool of at most `size` connections, `minimum` of them even while idle."""
    return ConnectionPool(
        info,
        kwargs={"autocommit": True},
        min_size=minimum,
        max_size=size if minimum else min(size, 4),
        max_idle=600 if minimum else 60,
        num_workers=3 if minimum else 1,
        reconnect_timeout=_RECONNECT,
        open=False,
        configure=_configure if vectors else None,
    )


def schema_of(collection: str) -> str:
    """Schema of the collection with this id."""
    return f"{GUARD}_{collection}"


def in_schema(dsn: str, collection: str) -> str:
    """Address of a collection's index in the database at `dsn`."""
    place, _, query = dsn.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    path = f"-csearch_path={schema_of(collection)},public"
    parameters["options"] = f"{parameters.get('options', '')} {path}".strip()
    return f"{place}?{urlencode(parameters, quote_via=quote)}"


def _close(*pools: ConnectionPool[Connection[Any]]) -> None:
    """Also closes stores that nobody closed: garbage-collected pools print warnings."""
    for pool in pools:
        pool.close()


def _configure(connection: Connection[Any]) -> None:
    """Use custom plans: the generic one, used after five runs, does not know how few rows a filter
    leaves. No parallel workers: on a busy server they start in ten times the time of a search.
    """
    register_vector(connection)
    connection.execute("SET plan_cache_mode = force_custom_plan")
    connection.execute("SET max_parallel_workers_per_gather = 0")


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn errors into RagErrors without the DSN, or into _Lost if another server might succeed."""
    try:
        yield
    except PoolTimeout:
        raise _Lost("no connection could be made in time") from None
    except psycopg.errors.LockNotAvailable as error:
        message = f"{place} is being changed by another process"
        raise BusyError(message, "try again when it has finished") from error
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as error:
        reason = _first_line(error)
        hint = "connect as the owner, or let an administrator grant the right"
        if "extension" in reason:
            hint = "let an administrator run: CREATE EXTENSION vector"
        raise StoreError(f"{place} denies access: {reason}", hint) from error
    except psycopg.DataError as error:  # a NUL in a text, or a number beyond its type
        hint = "leave out NUL characters, and use smaller numbers"
        raise InputError(f"{place} cannot hold this value: {_first_line(error)}", hint) from error
    except psycopg.errors.FeatureNotSupported as error:
        message = f"{place} lacks an extension or table: {_first_line(error)}"
        raise StoreError(message, "install pgvector on the server") from error
    except psycopg.OperationalError as error:
        # an error without a code is a failed connection
        if error.sqlstate is None or error.sqlstate.startswith(_GONE):
            raise _Lost(_first_line(error)) from None
        raise StoreError(f"{place}: {_first_line(error)}", "see the server's log") from error
    except (psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise _Lost(_first_line(error)) from None
    except psycopg.errors.UndefinedTable as error:
        hint = "create one with: rag ingest PATH"
        raise AbsentError(f"no index in {place} any more", hint) from error


def _parts(dsn: str, place: str) -> dict[str, Any]:
    try:
        return dict(conninfo.conninfo_to_dict(dsn))
    except psycopg.Error:  # its message quotes the invalid part, which may be the password
        address = "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        hint = f"write it as {address}, with % codes for special characters"
        raise InputError(f"{place} is not a PostgreSQL address", hint) from None


def _first_line(error: Exception) -> str:
    """The first line, or all lines if the connection failed on several hosts."""
    lines = (str(error) or type(error).__name__).splitlines()
    return "; ".join(lines if lines[0].startswith("connection") else lines[:1])
