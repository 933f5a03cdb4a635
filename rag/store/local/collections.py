"""Collections in folders: `collections/NAME` in the default index's folder is an index of its own.

A collection exists if its folder has its name and contains `collection.json`. Every change is one
rename, so a crash leaves a collection complete or absent; the next change removes leftovers.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import BusyError, StoreError
from rag.files import acquire_lock
from rag.settings import DEFAULT_COLLECTION, Settings
from rag.store.collections import Collection, Collections, check_name, is_name, is_taken
from rag.store.local.sqlite_file import WriteLock, sync_to_disk

_CARD = "collection.json"
_NEW_PREFIX, _GONE_PREFIX = ".new-", ".gone-"
_PATIENCE = 5.0
"""Seconds to wait for another change, or for a writer."""


class LocalCollections(Collections):
    """Collections of the index in the folder `root`; other processes may change them, too."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "collections"
        self._is_new = not root.exists()

    def folder(self, name: str) -> Path:
        """Index folder of a collection of this name, whether or not it exists."""
        return self._folder / check_name(name)

    def all(self) -> list[Collection]:
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(self._folder, error) from error

        collections = []
        for name in names:
            collection = self.get(name) if is_name(name) else None
            if collection:
                collections.append(collection)
        return collections

    def inside(self, collection: Collection, settings: Settings) -> Settings:
        return replace(settings, index=self.folder(collection.name), collection=DEFAULT_COLLECTION)

    def with_uploads(self) -> list[str]:
        names = [collection.name for collection in self.all()]
        return [name for name in names if (self.folder(name) / "uploads.sqlite").exists()]

    def close(self) -> None:
        """Nothing to close."""

    def get(self, name: str) -> Collection | None:
        if not is_name(name):
            return None
        path = self._folder / name / _CARD
        try:
            card = json.loads(path.read_text(encoding="utf-8"))
            return Collection(str(card["id"]), name, str(card["created"]))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise _unreadable(path, error) from error

    def _add(self, collection: Collection) -> None:
        if self._is_new:  # one that was moved does not come back as an empty folder
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._is_new = False
        with self._locked_for_change():
            if (self._folder / collection.name).exists():
                raise is_taken(collection.name)
            folder = self._folder / f"{_NEW_PREFIX}{collection.id}"
            folder.mkdir(mode=0o700)
            with open(folder / _CARD, "w", encoding="utf-8") as file:
                json.dump(asdict(collection), file)
                file.flush()
                os.fsync(file.fileno())
            sync_to_disk(folder)
            self._move(folder, self._folder / collection.name)

    def rename(self, name: str, new_name: str) -> Collection:
        check_name(new_name)
        with self._locked_for_change():
            collection = self.named(name)
            if (self._folder / new_name).exists():
                raise is_taken(new_name)
            with WriteLock(self._folder / name).hold(_PATIENCE):
                self._move(self._folder / name, self._folder / new_name)
        return replace(collection, name=new_name)

    def delete(self, name: str) -> Collection:
        with self._locked_for_change():
            collection = self.named(name)
            removed = self._folder / f"{_GONE_PREFIX}{uuid.uuid4().hex}"
            with WriteLock(self._folder / name).hold(_PATIENCE):
                self._move(self._folder / name, removed)
            shutil.rmtree(removed, ignore_errors=True)
        return collection

    @contextmanager
    def _locked_for_change(self) -> Iterator[None]:
        """Hold the lock for a change; remove leftovers of others. Raises BusyError, StoreError."""
        lock = FileLock(self._root / "collections.lock")
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            acquire_lock(lock, timeout=_PATIENCE)
            try:
                self._remove_leftovers()
                yield
            finally:
                lock.release()
        except Timeout as error:
            message = f"the collections in {self._root} are being changed by another process"
            raise BusyError(message, "try again") from error
        except OSError as error:
            message = f"collections in {self._folder} cannot be changed: {error.strerror}"
            raise StoreError(message, "free some space, or make the folder writable") from error

    def _remove_leftovers(self) -> None:
        """Remove the folders of collections that were not quite made or deleted."""
        for entry in list(os.scandir(self._folder)):
            if entry.name.startswith((_NEW_PREFIX, _GONE_PREFIX)):
                shutil.rmtree(entry.path, ignore_errors=True)

    def _move(self, source: Path, target: Path) -> None:
        """Rename durably, so that it survives a power failure."""
        os.rename(source, target)
        sync_to_disk(self._folder)


def _unreadable(path: Path, error: Exception) -> StoreError:
    hint = "make it readable, or restore the folder from a backup"
    return StoreError(f"{path} cannot be read: {error}", hint)
