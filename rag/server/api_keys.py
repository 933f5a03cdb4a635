"""API keys: shown once, stored as digests, compared in constant time.

A key is `rag_ID_SECRET`. The secret is 32 random bytes, so a plain SHA-256 of the key cannot be
reversed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rag.errors import InputError, NotFoundError, StoreError
from rag.server.owner_files import locked, replace_file
from rag.settings import Settings

READ, WRITE = "read", "write"
SCOPES = (READ, WRITE)
ALL_COLLECTIONS = ("*",)
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """A stored key. Scope "write" includes "read". `sha256` is the digest of the whole key;
    `revoked` is a date, or "".

    `collections` are the ids of the collections it may use, or ALL_COLLECTIONS. `expires` is a time
    such as 2027-01-31T12:00:00Z, or "".
    """

    id: str
    name: str
    scope: str
    created: str
    sha256: str
    revoked: str = ""
    collections: tuple[str, ...] = ALL_COLLECTIONS
    expires: str = ""

    @property
    def everywhere(self) -> bool:
        """Whether it may use every collection, and with scope "write" create and delete them."""
        return self.collections == ALL_COLLECTIONS

    def may_use(self, collection: str) -> bool:
        """Whether it may use the collection with this id; "default" is the index's own."""
        return self.everywhere or collection in self.collections


class Keys:
    """The keys in one file. Changes by any process take effect at the next request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._keys: tuple[Key, ...] = ()

    def all(self) -> tuple[Key, ...]:
        """All keys, including revoked ones. Raises StoreError if the file cannot be read or has
        disappeared, since a missing file must not open the service to everyone.
        """
        try:
            status = self._path.stat()
            version = (status.st_mtime_ns, status.st_ino)
            if version != self._seen:
                self._keys, self._seen = _load(self._path), version
        except FileNotFoundError as error:
            if self._seen is not None:
                hint = "restore the file; without it, anyone who reaches the service could use it"
                raise StoreError(f"API keys in {self._path} are missing", hint) from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            message = f"API keys in {self._path} cannot be read: {error}"
            hint = "restore the file; without it, no key can be checked"
            raise StoreError(message, hint) from error
        return self._keys

    def check(self, token: str) -> Key | None:
        """The stored key for this token; None if it is unknown, expired or revoked."""
        key_id = token.split("_")[1] if token.count("_") >= 2 else ""
        key = next((key for key in self.all() if key.id == key_id), None)
        digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        is_equal = hmac.compare_digest(digest, key.sha256 if key else _NOBODY)
        is_valid = (
            key and is_equal and not key.revoked and (not key.expires or _timestamp() < key.expires)
        )
        return key if is_valid else None

    def add(
        self,
        name: str,
        scope: str,
        collections: Sequence[str] = ALL_COLLECTIONS,
        days: int = 0,
        expires: str = "",
    ) -> tuple[Key, str]:
        """Create a key. Returns the stored record and the key itself, which is not stored.
        `collections` are ids; it expires after `days`, or at the time `expires`, if given.
        """
        if not collections:
            raise InputError(f"key {name} would have no collection", "give one with --collection")
        if scope not in SCOPES:
            raise InputError(f"{scope!r} is not a valid scope", f"one of: {', '.join(SCOPES)}")
        key_id = secrets.token_hex(4)
        token = f"rag_{key_id}_{secrets.token_urlsafe(32)}"
        expires = _timestamp(days * 86_400) if days else expires
        digest = hashlib.sha256(token.encode()).hexdigest()
        key = Key(key_id, name, scope, _timestamp(), digest, "", tuple(collections), expires)
        with locked(self._path, create=True):
            self._save((*self.all(), key))
        return key, token

    def revoke(self, name: str) -> list[Key]:
        """Revoke the key with this id, or all keys with this name. Raises NotFoundError."""
        ids = self._active_ids(name)
        return self._change(ids, lambda key: replace(key, revoked=_timestamp()))

    def rotate(self, name: str, hours: int = 0) -> tuple[Key, str]:
        """Replace the active key with this id or name by one that expires when it did. The old key
        is revoked, or remains valid for `hours`, but never longer than before.

        Raises NotFoundError; InputError if several keys have the name, or it has expired.
        """
        ids = self._active_ids(name)
        if len(ids) > 1:
            message = f"{len(ids)} active keys are called {name}"
            raise InputError(message, "use an id from: rag keys list")
        (replaced,) = (key for key in self.all() if key.id in ids)
        if replaced.expires and _timestamp() >= replaced.expires:
            message = f"key {name} has expired on {replaced.expires}"
            raise InputError(message, "make a new one: rag keys add NAME")
        new_key, token = self.add(
            replaced.name, replaced.scope, replaced.collections, expires=replaced.expires
        )
        expires = (
            min(_timestamp(hours * 3600), replaced.expires or "9") if hours else replaced.expires
        )
        revoked = "" if hours else _timestamp()
        self._change(ids, lambda key: replace(key, expires=expires, revoked=revoked))
        return new_key, token

    def _active_ids(self, name: str) -> list[str]:
        """Ids of the active keys with this id or name. Raises NotFoundError if no key has it."""
        ids = [key.id for key in self.all() if name in (key.id, key.name) and not key.revoked]
        if not ids:
            raise NotFoundError(f"no active key {name}", "list the keys with: rag keys list")
        return ids

    def _change(self, ids: Sequence[str], change: Callable[[Key], Key]) -> list[Key]:
        """Change the keys with these ids. Returns them."""
        with locked(self._path, create=True):
            keys = [change(key) if key.id in ids else key for key in self.all()]
            self._save(keys)
        return [key for key in keys if key.id in ids]

    def _save(self, keys: Sequence[Key]) -> None:
        stored = {"format": 1, "keys": [asdict(key) for key in keys]}
        replace_file(self._path, json.dumps(stored, indent=2))


def _load(path: Path) -> tuple[Key, ...]:
    return tuple(
        Key(**{**key, "collections": tuple(key.get("collections", ALL_COLLECTIONS))})
        for key in json.loads(path.read_text(encoding="utf-8"))["keys"]
    )


def _timestamp(seconds_ahead: float = 0) -> str:
    """The current time plus `seconds_ahead`, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds_ahead))


def keys_of(settings: Settings) -> Keys:
    """Keys of the index, or of the file in `keys_file`."""
    return Keys(Path(settings.keys_file) if settings.keys_file else settings.index / "keys.json")
