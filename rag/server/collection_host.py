"""Collections of a running service, opened on demand and closed when idle.

They share the models and the model thread, the process that parses uploads, and the Prometheus
metrics, which do not name collections. Everything else belongs to one collection.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rag import build
from rag.errors import BusyError, NotFoundError, RagError
from rag.server.state import DefaultService, Service
from rag.server.work import waiting
from rag.settings import DEFAULT_COLLECTION
from rag.store.collections import Collection

_log = logging.getLogger(__name__)
_LOOK = 15.0
_IDLE_SECONDS = 300.0
"""Seconds without a request after which a collection is closed."""
_MOST_OPEN = 256
_PATIENCE = 35.0
"""Seconds that a deletion waits for requests in progress; longer than any of them may take."""


@dataclass(eq=False)
class _OpenCollection:
    """A collection that is open or being opened. `requests` counts the requests in progress."""

    collection: Collection
    service: Service | None = None
    requests: int = 0
    used: float = 0.0
    closing: bool = False
    opening: threading.Lock = field(default_factory=threading.Lock)

    def close(self) -> None:
        if self.service is not None:
            self.service.close()
            self.service = None


def _busy_collection(name: str) -> BusyError:
    return BusyError(f"collection {name} is being changed", "try again in a moment")


class CollectionHost:
    """Thread-safe."""

    def __init__(self, default: DefaultService) -> None:
        self._default = default
        self.registry = build.collections(default.settings)
        self._open: dict[str, _OpenCollection] = {}
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look_after, name="collections")

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Close all collections. May be called twice."""
        self._closing.set()
        if self._thread.ident:
            self._thread.join()
        with self._changed:
            still_open = list(self._open.values())
            self._open.clear()
        for entry in still_open:
            entry.close()
        self.registry.close()

    def id_of(self, name: str) -> str:
        """Id of a collection; "none" if it is unknown, so that this looks like a forbidden one."""
        if name == DEFAULT_COLLECTION:
            return name
        collection = self.registry.get(name)
        return collection.id if collection else "none"

    @contextmanager
    def opened(self, name: str) -> Iterator[Service]:
        """The service, open for this block. Raises NotFoundError, StoreError, ServiceError."""
        if name == DEFAULT_COLLECTION:
            yield self._default
            return
        entry = self._entry(name)
        try:
            with entry.opening:
                entry.service = entry.service or self._open_service(entry.collection)
            yield entry.service
        finally:
            with self._changed:
                entry.requests -= 1
                entry.used = time.monotonic()
                self._changed.notify_all()

    def _entry(self, name: str) -> _OpenCollection:
        """The name's open entry. Raises BusyError if the collection is being changed."""
        collection = self.registry.named(name)
        with self._changed:
            if self._closing.is_set():
                raise NotFoundError(f"no collection {name}", "the service is shutting down")
            entry = self._open.setdefault(name, _OpenCollection(collection))
            is_former = entry.collection.id != collection.id
            if entry.closing or (is_former and entry.requests):
                raise _busy_collection(name)
            if is_former:
                entry.close()
                entry = self._open[name] = _OpenCollection(collection)
            entry.requests += 1
            entry.used = time.monotonic()
            return entry

    def _open_service(self, collection: Collection) -> Service:
        settings = self.registry.inside(collection, self._default.settings)
        service = self._default.in_collection(settings)
        if self.id_of(collection.name) != collection.id:
            service.close()
            raise _busy_collection(collection.name)
        service.start()
        return service

    def delete(self, name: str) -> Collection:
        """Close and delete a collection. Raises NotFoundError, BusyError."""
        return self._change_when_free(name, lambda: self.registry.delete(name))

    def rename(self, name: str, new_name: str) -> Collection:
        return self._change_when_free(name, lambda: self.registry.rename(name, new_name))

    def _change_when_free(self, name: str, change: Callable[[], Collection]) -> Collection:
        """Run `change` after all requests have finished, while new ones are held off."""
        collection = self.registry.named(name)
        with waiting(), self._changed:  # no place is waited for with the lock
            entry = self._open.setdefault(name, _OpenCollection(collection))
            if entry.closing:
                raise _busy_collection(name)
            entry.closing = True
            is_free = self._changed.wait_for(lambda: entry.requests == 0, _PATIENCE)
        try:
            if not is_free:
                hint = "try again when its requests have finished"
                raise BusyError(f"collection {name} is in use", hint)
            entry.close()
            return change()
        finally:
            with self._changed:
                del self._open[name]

    def _look_after(self) -> None:
        """Resume uploads accepted before a crash; then close idle collections."""
        self._resume()
        while not self._closing.wait(_LOOK):
            try:
                self.close_idle()
            except RagError as error:
                _log.warning("a collection could not be closed: %s", error)

    def _resume(self) -> None:
        try:
            self._default.models.opened.result()
            names = self.registry.with_uploads()
        except Exception:
            return  # reported when it is opened
        for name in names:
            if self._closing.is_set():
                return
            try:
                with self.opened(name):
                    pass
            except RagError as error:
                _log.warning("uploads to collection %s wait: %s", name, error)

    def close_idle(self, now: float | None = None) -> None:
        """Close idle ones, and the longest unused above the maximum; none with waiting uploads."""
        moment = time.monotonic() if now is None else now
        with self._changed:
            oldest = sorted(self._open.items(), key=lambda item: item[1].used)
            surplus = len(oldest) - _MOST_OPEN
            to_close = []
            for number, (name, entry) in enumerate(oldest):
                is_idle = moment - entry.used > _IDLE_SECONDS or number < surplus
                # another process may delete or rename one
                changed = self.id_of(name) != entry.collection.id
                is_free = not entry.requests and not entry.closing
                waits = entry.service is not None and entry.service.jobs.waiting > 0
                if is_free and (changed or (is_idle and not waits)):
                    entry.closing = True
                    to_close.append((name, entry))
        for name, entry in to_close:
            entry.close()
            with self._changed:
                del self._open[name]
