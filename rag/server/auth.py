"""Who may do what: keys and their scopes, how often, and from which pages a browser may ask."""

from __future__ import annotations

import hmac
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from urllib.parse import urlsplit

from rag.errors import StoreError
from rag.server.api_keys import WRITE, Key, Keys
from rag.server.problems import ServiceError
from rag.settings import DEFAULT_COLLECTION

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
OPEN = frozenset({"/", "/docs", "/health", "/ready", "/openapi.json"})
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_FORWARDING = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip"}
)
_MOST_CALLERS = 10_000


class Access:
    """The rules of one service. `host` is what it is bound to, `rate` the requests a minute of one
    key; 0: any number.

    `token` is asked for as long as no key was ever made; "": anyone on this machine may ask then.
    """

    def __init__(self, keys: Keys, host: str, rate: int, token: str = "") -> None:
        self._keys = keys
        self._host = host
        self._token = token
        self._rate = Rate(rate)

    @property
    def keyless(self) -> bool:
        """Whether this machine may ask without a key, but for the token: on loopback, as long as no
        key was ever made.
        """
        return self._host in LOOPBACK and not self._keys.all()

    def who(self, method: str, path: str, headers: Mapping[str, str]) -> Key | None:
        """The key that asks, None where none is needed. Raises ServiceError with 401, 403 or 421;
        StoreError if keys cannot be read, though not for /health, which says that the process
        runs."""
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
        """Behind a proxy that forwards without a word every request looks like this machine's own:
        hence the token.
        """
        if self._token and not is_open(method, path):
            given = _bearer(headers)
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                message = "the token is wrong" if given else "this needs the token of this run"
                hint = (
                    "open the address that rag serve printed, or send its token as the header "
                    "Authorization: Bearer TOKEN"
                )
                raise ServiceError(
                    401, "unauthorized", message, f"{hint}; keys that last: rag keys add NAME"
                )

    def admit(self, key: Key, method: str, path: str, collection: str = DEFAULT_COLLECTION) -> None:
        """Raises ServiceError with 403 or 429 where the key may not do this, or not so often.

        `path` is that within the collection with the id `collection`; "" for what is in none. What
        a key may not use is refused alike, whether or not it is there.
        """
        if not key.everywhere and not (
            (collection and key.may_use(collection))
            or (collection in ("", DEFAULT_COLLECTION) and _in_none(method, path))
        ):
            hint = "ask whoever made the key; which it may use: GET /v1/collections"
            raise ServiceError(403, "collection", f"key {key.id} may not use this collection", hint)
        private = path == "/v1/feedback" and method != "POST"  # what others have asked
        if (changes(method, path) or private) and key.scope != WRITE:
            raise ServiceError(
                403,
                "read-only-key",
                f"key {key.id} may only read",
                "use one made with: rag keys add NAME --write",
            )
        self._rate.take(key.id)

    def charge(self, key: Key, passages: int) -> None:
        """Raises ServiceError with 429 where the key has not so many left."""
        self._rate.take(key.id, passages)

    def rate_headers(self, key_id: str) -> dict[str, str]:
        """What is left of the key's rate, as header fields; none without a limit."""
        return self._rate.headers(key_id)

    def _key(self, headers: Mapping[str, str]) -> Key:
        token = _bearer(headers)
        key = self._keys.check(token) if token else None
        if key is None:
            message = "the API key is wrong or revoked" if token else "this needs an API key"
            raise ServiceError(
                401,
                "unauthorized",
                message,
                "send the header Authorization: Bearer KEY; make one: rag keys add NAME",
            )
        return key


def _bearer(headers: Mapping[str, str]) -> str:
    """What was sent as a bearer token, "" if nothing was."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def is_open(method: str, path: str) -> bool:
    """Whether anyone may ask this without a key."""
    return path in OPEN and method in ("GET", "HEAD")


def _check_place(headers: Mapping[str, str], opens_page: bool) -> None:
    """Without keys a page of another site must not ask through the browser: neither across origins
    nor by a name of its own that leads here (DNS rebinding). A link to the page may be followed."""
    if any(
        name in _FORWARDING or name.startswith("x-forwarded-") for name in headers
    ):  # a proxy, which asks for others
        hint = "make keys: rag keys add NAME; then a proxy may ask for others"
        raise ServiceError(421, "host", "without keys this service is for this machine alone", hint)
    host = headers.get("host", "localhost")
    if _hostname(host) not in LOOPBACK:
        hint = "ask at http://127.0.0.1, or make keys: rag keys add NAME"
        raise ServiceError(421, "host", "this service is for this machine alone", hint)
    origin = headers.get("origin", "")
    foreign = bool(origin) and origin.partition("://")[2] != host
    if foreign or (headers.get("sec-fetch-site") == "cross-site" and not opens_page):
        raise ServiceError(
            403, "origin", "pages of other sites may not ask here", "open the service's own page"
        )


def _hostname(netloc: str) -> str:
    try:
        return urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return ""


def changes(method: str, path: str) -> bool:
    """Whether this changes documents or collections."""
    if method in ("GET", "HEAD") or (method, path) == ("POST", ASK_SEVERAL):
        return False  # a collection may be called ask, too: what is sent there otherwise changes it
    return path.startswith((*_WRITING, "/v1/collections"))


def _in_none(method: str, path: str) -> bool:
    """What a key of some collections may ask for beside them: which those are, who it is, several
    of them at once, and what names a collection in its body or model, which its route checks.
    """
    if method in ("GET", "HEAD"):
        return path in _ABOUT or path.startswith(_NAMED)
    return method == "POST" and (path == ASK_SEVERAL or path.startswith(_NAMED))


class Rate:
    """A bucket a caller that fills at `per_minute`, and holds a minute's worth.

    The unit is a passage that is read; a request that reads none takes one.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, units: int = 1) -> None:
        """Raises ServiceError, with the seconds to wait, if it does not hold so many; those of one
        request always fit in.
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
        """`X-RateLimit-Limit` and `-Remaining` in passages, `-Reset` in seconds until all are there
        again.
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
        """What it holds now."""
        now = time.monotonic()
        level, then = self._buckets.get(caller, (float(self._per_minute), now))
        return min(self._per_minute, level + (now - then) * self._per_minute / 60)

    def _seconds(self, units: float) -> int:
        """Until so many more are there, rounded up."""
        return math.ceil(units * 60 / self._per_minute)
