"""Who may do what: keys and their scopes, how often, and from which pages a browser may ask."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import urlsplit

from rag.errors import StoreError
from rag.server.api_keys import WRITE, Key, Keys
from rag.server.problems import ServiceError

OPEN = frozenset({"/", "/health", "/ready", "/openapi.json"})
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_MOST_CALLERS = 10_000


class Access:
    """The rules of one service. `host` is what it is bound to, `rate` the requests a minute of one key; 0: any number."""

    def __init__(self, keys: Keys, host: str, rate: int) -> None:
        self._keys = keys
        self._host = host
        self._rate = Rate(rate)

    @property
    def keyless(self) -> bool:
        """Whether anyone on this machine may ask: on loopback, as long as no key was ever made."""
        return self._host in LOOPBACK and not self._keys.all()

    def who(self, method: str, path: str, headers: Mapping[str, str]) -> Key | None:
        """The key that asks, None where none is needed. Raises ServiceError with 401, 403 or 421; StoreError if keys cannot be
        read, though not for /health, which says that the process runs."""
        try:
            keyless = self.keyless
        except StoreError:
            if path == "/health":
                return None
            raise
        if keyless:
            _check_place(headers, opens_page=method == "GET" and path == "/")
        return None if keyless or is_open(method, path) else self._key(headers)

    def admit(self, key: Key, method: str, path: str) -> None:
        """Raises ServiceError with 403 or 429 where the key may not do this, or not so often."""
        if _writes(method, path) and key.scope != WRITE:
            raise ServiceError(
                403, "read-only-key", f"key {key.id} may only read", "use one made with: rag keys add NAME --write"
            )
        self._rate.take(key.id)

    def _key(self, headers: Mapping[str, str]) -> Key:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        key = self._keys.check(token.strip()) if scheme.lower() == "bearer" else None
        if key is None:
            message = "the API key is wrong or revoked" if token else "this needs an API key"
            raise ServiceError(
                401, "unauthorized", message, "send the header Authorization: Bearer KEY; make one: rag keys add NAME"
            )
        return key


def is_open(method: str, path: str) -> bool:
    """Whether anyone may ask this without a key."""
    return path in OPEN and method in ("GET", "HEAD")


def _check_place(headers: Mapping[str, str], opens_page: bool) -> None:
    """Without keys a page of another site must not ask through the browser: neither across origins nor by a name of its own
    that leads here (DNS rebinding). A link to the page may be followed."""
    if "forwarded" in headers or "x-forwarded-for" in headers:  # a proxy, which asks for others
        hint = "make keys: rag keys add NAME; then a proxy may ask for others"
        raise ServiceError(421, "host", "without keys this service is for this machine alone", hint)
    host = headers.get("host", "localhost")
    if _hostname(host) not in LOOPBACK:
        hint = "ask at http://127.0.0.1, or make keys: rag keys add NAME"
        raise ServiceError(421, "host", "this service is for this machine alone", hint)
    origin = headers.get("origin", "")
    foreign = bool(origin) and origin.partition("://")[2] != host
    if foreign or (headers.get("sec-fetch-site") == "cross-site" and not opens_page):
        raise ServiceError(403, "origin", "pages of other sites may not ask here", "open the service's own page")


def _hostname(netloc: str) -> str:
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def _writes(method: str, path: str) -> bool:
    return method not in ("GET", "HEAD") and path.startswith("/v1/documents")


class Rate:
    """A bucket a caller that fills at `per_minute`, and holds a minute's worth."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Raises ServiceError, with the seconds to wait, if it is empty."""
        if not self._per_minute:
            return
        now = time.monotonic()
        with self._lock:
            level, then = self._buckets.pop(caller, (float(self._per_minute), now))
            level = min(self._per_minute, level + (now - then) * self._per_minute / 60)
            self._buckets[caller] = (level - 1 if level >= 1 else level, now)
            if len(self._buckets) > _MOST_CALLERS:
                self._buckets.popitem(last=False)
        if level < 1:
            wait = int((1 - level) * 60 / self._per_minute) + 1
            raise ServiceError(429, "rate", f"this key may ask {self._per_minute:,} times a minute", "slow down", wait)
