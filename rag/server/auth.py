"""Access control: keys and their scopes, rate limits, and which web pages may use the service."""

from __future__ import annotations

import hmac
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import urlsplit

from rag.errors import InputError, StoreError
from rag.server.api_keys import WRITE, Key, Keys
from rag.server.problems import ServiceError
from rag.settings.index_folder import DEFAULT_COLLECTION

_WRITING = ("/v1/documents", "/v1/jobs")
ASK_SEVERAL = "/v1/collections/ask"
_ABOUT = frozenset({"/v1/collections", "/v1/me"})
_NAMED = (
    "/v1/chat/completions",
    "/v1/dify/retrieval",
    "/v1/models",
    "/v1/responses",
    "/v1/vector_stores",
)
OPEN = frozenset({"/", "/health", "/ready", "/openapi.json"})
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_FORWARDING = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"}
)
_MOST_CALLERS = 10_000


class Access:
    """Rules of one service. `host` is the address it binds to, `rate` the limit per key in passages
    per minute; 0 means no limit.

    `token` is required until the first key is created; "" requires none from this machine.
    """

    def __init__(self, keys: Keys, host: str, rate: int, token: str = "") -> None:
        self._keys = keys
        self._host = host
        self._token = token
        self._rate = Rate(rate)

    @property
    def keyless(self) -> bool:
        """Whether this machine needs no key, only the token: on loopback, before the first key is
        created.
        """
        return self._host in LOOPBACK and not self._keys.all()

    def who(self, method: str, path: str, headers: Mapping[str, str]) -> Key | None:
        """Authenticate a request. Returns its key, or None if none is needed. Raises ServiceError
        with 401, 403 or 421, and StoreError if the keys cannot be read, except for /health.
        """
        try:
            keyless = self.keyless
        except StoreError:
            if path == "/health":
                return None
            raise
        if keyless:
            _check_place(headers, opens_page=method == "GET" and path == "/")
            self._check_token(method, path, headers)
        return None if keyless or is_open(method, path) else self._key(headers)

    def _check_token(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Check the token. It is needed because requests through a local proxy that sends no
        forwarding headers look like this machine's own.
        """
        if self._token and not is_open(method, path):
            given = _bearer(headers)
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                message = "wrong token" if given else "the service needs the token of this run"
                hint = (
                    "open the address that rag serve printed, or send its token as the header "
                    "Authorization: Bearer TOKEN"
                )
                raise ServiceError(
                    401,
                    "unauthorized",
                    message,
                    f"{hint}; or create a permanent key: rag keys add NAME",
                )

    def admit(self, key: Key, method: str, path: str, collection: str = DEFAULT_COLLECTION) -> None:
        """Authorise a request. Raises ServiceError with 403 or 429.

        `path` is relative to the collection with the id `collection`; "" means no collection. A
        forbidden collection and an unknown one get the same response.
        """
        if not key.everywhere and not (
            (collection and key.may_use(collection))
            or (collection in ("", DEFAULT_COLLECTION) and _in_none(method, path))
        ):
            hint = "list the collections it may use with: GET /v1/collections"
            raise ServiceError(403, "collection", f"key {key.id} may not use this collection", hint)
        private = path == "/v1/feedback" and method != "POST"  # it contains other users' questions
        if (changes(method, path) or private) and key.scope != WRITE:
            raise ServiceError(
                403,
                "read-only-key",
                f"key {key.id} is read-only",
                "use a key made with: rag keys add NAME --write",
            )
        self._rate.take(key.id)

    def charge(self, key: Key, passages: int) -> None:
        """Take passages from the key's rate. Raises ServiceError with 429 if too few are left."""
        self._rate.take(key.id, passages)

    def rate_headers(self, key_id: str) -> dict[str, str]:
        """Rate limit headers; {} without a limit."""
        return self._rate.headers(key_id)

    def _key(self, headers: Mapping[str, str]) -> Key:
        token = _bearer(headers)
        key = self._keys.check(token) if token else None
        if key is None:
            message = "the API key is wrong or revoked" if token else "the service needs an API key"
            raise ServiceError(
                401,
                "unauthorized",
                message,
                "send the header Authorization: Bearer KEY; make one: rag keys add NAME",
            )
        return key


def _bearer(headers: Mapping[str, str]) -> str:
    """The bearer token, or ""."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def is_open(method: str, path: str) -> bool:
    """Whether the path needs no key."""
    return path in OPEN and method in ("GET", "HEAD")


def _check_place(headers: Mapping[str, str], opens_page: bool) -> None:
    """Without keys, reject requests of other sites' pages: cross-origin ones, and those that use
    another host name for this address (DNS rebinding). Links to the page are allowed.
    """
    if any(
        name in _FORWARDING or name.startswith("x-forwarded-") for name in headers
    ):  # a proxy, which forwards requests of other machines
        hint = "create a key for requests through a proxy: rag keys add NAME"
        raise ServiceError(
            421, "host", "without API keys, the service answers only this machine", hint
        )
    host = headers.get("host", "localhost")
    if _hostname(host) not in LOOPBACK:
        hint = "use http://127.0.0.1, or create a key: rag keys add NAME"
        raise ServiceError(421, "host", "the service answers only this machine", hint)
    origin = headers.get("origin", "")
    foreign = bool(origin) and origin.partition("://")[2] != host
    if foreign or (headers.get("sec-fetch-site") == "cross-site" and not opens_page):
        raise ServiceError(
            403,
            "origin",
            "pages of other sites may not use the service",
            "open the service's own page",
        )


def _hostname(netloc: str) -> str:
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def changes(method: str, path: str) -> bool:
    """Whether the request changes documents or collections."""
    if method in ("GET", "HEAD") or (method, path) == ("POST", ASK_SEVERAL):
        return False  # other methods change a collection that is called ask
    return path.startswith((*_WRITING, "/v1/collections"))


def _in_none(method: str, path: str) -> bool:
    """Whether a key restricted to some collections may use the path outside of them: to list them,
    to identify itself, to ask several, or on routes that check the collection named in the body.
    """
    if method in ("GET", "HEAD"):
        return path in _ABOUT or path.startswith(_NAMED)
    return method == "POST" and (path == ASK_SEVERAL or path.startswith(_NAMED))


def origins(listed: str) -> list[str]:
    """The comma-separated origins whose pages may use the service with a key. Raises InputError for
    anything else, such as "*" or an address with a path.
    """
    found = [origin.strip() for origin in listed.split(",") if origin.strip()]
    for origin in found:
        parts = urlsplit(origin)
        web = parts.scheme in ("http", "https") and parts.hostname
        if not web or origin != f"{parts.scheme}://{parts.netloc}":
            raise InputError(
                f"cors_origins: {origin!r} is not an origin",
                "write RAG_CORS_ORIGINS=https://app.example.org",
            )
    return found


class Rate:
    """Token bucket per caller, which refills at `per_minute` and holds one minute's worth.

    The unit is a passage read; a request that reads none takes one.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, units: int = 1) -> None:
        """Take units. Raises ServiceError with the seconds to wait if too few are left; one request
        of the maximum size always fits a full bucket.
        """
        if not self._per_minute or units <= 0:
            return
        units = min(units, self._per_minute)
        with self._lock:
            level, now = self._level(caller), time.monotonic()
            self._buckets.pop(caller, None)
            self._buckets[caller] = (level - units if level >= units else level, now)
            if len(self._buckets) > _MOST_CALLERS:
                self._buckets.popitem(last=False)
        if level < units:
            message = (
                f"this key may have {self._per_minute:,} passages read a minute; a request "
                f"that reads none counts as one"
            )
            raise ServiceError(429, "rate", message, "slow down", self._seconds(units - level))

    def headers(self, caller: str) -> dict[str, str]:
        """`X-RateLimit-Limit` and `-Remaining` in passages, `-Reset` in seconds until the bucket is
        full.
        """
        if not self._per_minute:
            return {}
        with self._lock:
            level = self._level(caller)
        left = {
            "Limit": self._per_minute,
            "Remaining": int(level),
            "Reset": self._seconds(self._per_minute - level),
        }
        return {f"X-RateLimit-{name}": str(value) for name, value in left.items()}

    def _level(self, caller: str) -> float:
        """Current level of the bucket."""
        now = time.monotonic()
        level, then = self._buckets.get(caller, (float(self._per_minute), now))
        return min(self._per_minute, level + (now - then) * self._per_minute / 60)

    def _seconds(self, units: float) -> int:
        """Seconds until so many units have been refilled, rounded up."""
        return math.ceil(units * 60 / self._per_minute)
