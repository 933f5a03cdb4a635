"""The interface of collections, and which names they may have. A collection is a named index beside
the default one that shares no data with others: in a folder (`rag.store.local.collections`) or a
schema of a database (`rag.store.postgres.collections`).
"""

from __future__ import annotations

import difflib
import re
import time
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass

from rag.errors import ConflictError, InputError, NotFoundError
from rag.settings import DEFAULT_COLLECTION, Settings

_MOST_LISTED = 20
"""Number of collections that an error names."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Collection:
    """`id` is never reused, so a key for a collection opens no later one of the same name."""

    id: str
    name: str
    created: str


class Collections(ABC):
    """Collections of one index. Thread-safe; other processes may change them at any time.

    Every change is atomic, even if the process is killed.
    """

    @abstractmethod
    def all(self) -> list[Collection]:
        """All collections, by name."""

    @abstractmethod
    def get(self, name: str) -> Collection | None:
        """The collection, or None. Raises StoreError if it exists but cannot be read."""

    def named(self, name: str) -> Collection:
        """The collection. Raises NotFoundError."""
        collection = self.get(name)
        if collection is None:
            raise self._not_found(name)
        return collection

    def _not_found(self, name: str) -> NotFoundError:
        names = [DEFAULT_COLLECTION]
        names += [collection.name for collection in self.all()]
        hint = f"there are: {', '.join(names[:_MOST_LISTED])}"
        if len(names) > _MOST_LISTED:
            hint += f" and {len(names) - _MOST_LISTED} more"
        similar_names = difflib.get_close_matches(name, names, 1)
        if similar_names:
            hint = f"did you mean {similar_names[0]}? {hint}"
        return NotFoundError(f"no collection {name[:100]}", hint)

    @abstractmethod
    def inside(self, collection: Collection, settings: Settings) -> Settings:
        """Settings of the default index, adapted to the collection."""

    def with_uploads(self) -> list[str]:
        """Collections in which a crash may have left uploads; in a database, workers take them."""
        return []

    def create(self, name: str) -> Collection:
        """Create it. Raises InputError for an invalid name, ConflictError for a taken one."""
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        collection = Collection(uuid.uuid4().hex, check_name(name), when)
        self._add(collection)
        return collection

    @abstractmethod
    def _add(self, collection: Collection) -> None: ...

    @abstractmethod
    def rename(self, name: str, new_name: str) -> Collection:
        """Rename it. Raises NotFoundError, ConflictError, InputError; BusyError during writes."""

    @abstractmethod
    def delete(self, name: str) -> Collection:
        """Delete it with its data. Raises NotFoundError; BusyError while it is written."""

    @abstractmethod
    def close(self) -> None:
        """Close connections."""


def is_name(name: str) -> bool:
    """Whether this is a valid collection name, including the default one's."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Raises InputError unless this is a valid name for a collection other than the default one."""
    if not is_name(name) or name == DEFAULT_COLLECTION:
        rule = "use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
        hint = f"{rule}; {DEFAULT_COLLECTION} is the index itself"
        raise InputError(f"{name[:100]!r} is not a valid collection name", hint)
    return name


def is_taken(name: str) -> ConflictError:
    """The error for a name that another collection has."""
    return ConflictError(f"there is already a collection {name}", "choose another name")
