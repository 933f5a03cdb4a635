"""Collections: indexes with names, beside the default one, that share nothing with it or with each
other.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rag.errors import InputError, NotFoundError
from rag.settings import DEFAULT_COLLECTION, Settings

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Collection:
    """`id` is never used twice, so that a key for a collection does not open a later one of its
    name.
    """

    id: str
    name: str
    created: str


class Collections(Protocol):
    """Those of one index. Other processes may change them at any time; safe to share between
    threads.

    Every change is whole or not made, whatever ends the process.
    """

    def all(self) -> list[Collection]:
        """By name."""

    def get(self, name: str) -> Collection | None:
        """Raises StoreError if it is there and cannot be read."""

    def named(self, name: str) -> Collection:
        """Raises NotFoundError."""

    def inside(self, collection: Collection, settings: Settings) -> Settings:
        """The settings of the default index, changed to those of the collection's."""

    def with_uploads(self) -> list[str]:
        """Those in which uploads may wait for this process since a crash."""

    def create(self, name: str) -> Collection:
        """Raises InputError for what is not a name, ConflictError if there is one."""

    def rename(self, name: str, new: str) -> Collection:
        """Raises NotFoundError, ConflictError, InputError; BusyError while it is changed."""

    def delete(self, name: str) -> Collection:
        """With all that is in it. Raises NotFoundError, BusyError while it is changed."""

    def close(self) -> None:
        """Let go of connections."""


def is_name(name: str) -> bool:
    """Whether a collection beside the default one may be called so, or is the default one."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> str:
    """Raises InputError for what is not the name of a collection beside the default one."""
    if not is_name(name) or name == DEFAULT_COLLECTION:
        hint = (
            f"use 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit; "
            f"{DEFAULT_COLLECTION} is the index itself"
        )
        raise InputError(f"{name[:100]!r} is not a name for a collection", hint)
    return name


def not_there(name: str, others: Sequence[Collection]) -> NotFoundError:
    near = difflib.get_close_matches(name, [one.name for one in others], 1)
    hint = f"did you mean {near[0]}?" if near else "see which there are: rag collection list"
    return NotFoundError(f"no collection {name[:100]}", hint)
