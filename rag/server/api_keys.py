"""API keys: made here, shown once, kept as digests, compared in constant time.

A key is `rag_ID_SECRET`. Its secret is 32 random bytes, so a plain SHA-256 of the key cannot be
turned back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import BusyError, InputError, NotFoundError, StoreError
from rag.settings import Settings

READ, WRITE = "read", "write"
SCOPES = (READ, WRITE)
EVERY = ("*",)
_NOBODY = hashlib.sha256(b"nobody").hexdigest()


@dataclass(frozen=True, slots=True)
class Key:
    """`scope` "write" may do all that "read" may. `sha256` is the digest of the whole key;
    `revoked` a date, or "".

    `collections` are the ids of those that it may use, or EVERY. `expires`: a moment such as
    2027-01-31T12:00:00Z, or "".
    """

    id: str
    name: str
    scope: str
    created: str
    sha256: str
    revoked: str = ""
    collections: tuple[str, ...] = EVERY
    expires: str = ""

    @property
    def everywhere(self) -> bool:
        """Whether it may use every collection, and make and delete them if it may write."""
        return self.collections == EVERY

    def may_use(self, collection: str) -> bool:
        """`collection`: its id; "default" is that of the index itself."""
        return self.everywhere or collection in self.collections


class Keys:
    """The keys in one file. A change, by any process, holds from the next request on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._keys: tuple[Key, ...] = ()

    def all(self) -> tuple[Key, ...]:
        """All, revoked ones too. Raises StoreError if the file cannot be read, or was there and is
        gone: it must not be taken for an empty one."""
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_ino)
            if seen != self._seen:
                self._keys, self._seen = _load(self._path), seen
        except FileNotFoundError as error:
            if self._seen is not None:
                raise StoreError(
                    f"API keys in {self._path} are gone",
                    "restore the file; without it anyone may ask who reaches the service",
                ) from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            message = f"API keys in {self._path} cannot be read: {error}"
            raise StoreError(
                message, "restore the file; without it nobody can be let in"
            ) from error
        return self._keys

    @property
    def any_active(self) -> bool:
        return any(not key.revoked for key in self.all())

    def check(self, token: str) -> Key | None:
        """The key that this is, unless it is unknown or revoked."""
        key_id = token.split("_")[1] if token.count("_") >= 2 else ""
        key = next((key for key in self.all() if key.id == key_id), None)
        digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
        same = hmac.compare_digest(digest, key.sha256 if key else _NOBODY)
        valid = key and same and not key.revoked and (not key.expires or _now() < key.expires)
        return key if valid else None

    def add(
        self, name: str, scope: str, collections: Sequence[str] = EVERY, days: int = 0
    ) -> tuple[Key, str]:
        """(the key as it is kept, the key itself, which is not kept). `collections`: ids; 0 `days`:
        it does not expire.
        """
        if not collections:
            raise InputError(f"key {name} may use no collection", "name one with --collection")
        if scope not in SCOPES:
            raise InputError(f"{scope!r} is no scope of a key", f"one of: {', '.join(SCOPES)}")
        key_id = secrets.token_hex(4)
        token = f"rag_{key_id}_{secrets.token_urlsafe(32)}"
        expires = _now(days * 86_400) if days else ""
        digest = hashlib.sha256(token.encode()).hexdigest()
        key = Key(key_id, name, scope, _now(), digest, "", tuple(collections), expires)
        with self._lock():
            self._save((*self.all(), key))
        return key, token

    def revoke(self, name: str) -> list[Key]:
        """Revoke the key with this id, or all with this name. Raises NotFoundError."""
        with self._lock():
            keys = self.all()
            found = [key.id for key in keys if name in (key.id, key.name) and not key.revoked]
            if not found:
                raise NotFoundError(f"no active key {name}", "see which there are: rag keys list")
            changed = tuple(
                replace(key, revoked=_now()) if key.id in found else key for key in keys
            )
            self._save(changed)
        return [key for key in changed if key.id in found]

    def rotate(self, name: str, hours: int = 0) -> tuple[Key, str]:
        """A new key in place of the active one with this id or name, which is revoked, or holds for
        some more hours.

        Raises NotFoundError; InputError if several have the name.
        """
        found = [key for key in self.all() if name in (key.id, key.name) and not key.revoked]
        if len(found) > 1:
            raise InputError(
                f"{len(found)} active keys are called {name}", "name one by its id: rag keys list"
            )
        if not found:
            raise NotFoundError(f"no active key {name}", "see which there are: rag keys list")
        (old,) = found
        made, token = self.add(old.name, old.scope, old.collections)
        with self._lock():
            ended = (
                replace(old, expires=_now(hours * 3600)) if hours else replace(old, revoked=_now())
            )
            self._save([ended if key.id == old.id else key for key in self.all()])
        return made, token

    @contextmanager
    def _lock(self) -> Iterator[None]:
        lock = FileLock(self._path.with_suffix(".lock"), timeout=5)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise BusyError(
                f"{self._path} is being changed by another process", "try again"
            ) from error
        except OSError as error:
            raise StoreError(
                f"{self._path} cannot be written: {error.strerror}", "make its folder writable"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _save(self, keys: Sequence[Key]) -> None:
        """Whole or not at all, and for the owner's eyes only."""
        partial = self._path.with_suffix(".partial")
        with open(
            os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as file:
            json.dump({"format": 1, "keys": [asdict(key) for key in keys]}, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)


def _load(path: Path) -> tuple[Key, ...]:
    return tuple(
        Key(**{**key, "collections": tuple(key.get("collections", EVERY))})
        for key in json.loads(path.read_text(encoding="utf-8"))["keys"]
    )


def _now(later: float = 0) -> str:
    """This moment, or so many seconds later."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + later))


def keys_of(settings: Settings) -> Keys:
    """Those of the settings' index, or of the file that they name."""
    return Keys(Path(settings.keys_file) if settings.keys_file else settings.index / "keys.json")
