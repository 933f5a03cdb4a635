"""Access control: the right that each endpoint declares with `@needs`, keys and their scopes, rate
limits, and which web pages may use the service.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar
from urllib.parse import urlsplit

from starlette.requests import cookie_parser
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from rag.errors import InputError, StoreError
from rag.server.api_keys import WRITE, Key, Keys
from rag.server.problems import ServiceError
from rag.settings import DEFAULT_COLLECTION

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_FORWARDING = re.compile(
    r"forwarded|via|(wl-)?proxy-client-ip|true-client-ip|[a-z]+-(connecting|client)-?ip"
    r"|x-(forwarded|original-forwarded|original-(host|proto|url)|real-ip|(cluster-)?client-ip"
    r"|envoy|amzn|azure|appengine|arr|proxyuser|sourceip|remote)\b.*"
)
"""Headers that proxies add."""
_NETLOC = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([\w.-]+))(?::[0-9]{1,5})?", re.ASCII)
PAGE_HEADER = "x-rag-page"
"""Header that the page sends with its cookie. The browser keeps its value for the page's origin
only, while it sends cookies to every port of this machine, also to another user's.
"""
REQUEST_SECONDS = 0.025
"""Seconds that a request costs in addition to its computing."""
_READING_METHODS = frozenset({"GET", "HEAD"})
E = TypeVar("E", bound=Callable[..., object])


class Right(Enum):
    """A right to the collection of the path, unless it says otherwise."""

    OPEN = "no key"
    ANY = "any key; the endpoint checks which collections it names"
    READ = "a key for the collection"
    WRITE = "a key with scope write for the collection"
    OPERATE = "a key for all collections"
    MANAGE = "a key with scope write for all collections"

    @property
    def writes(self) -> bool:
        return self in (Right.WRITE, Right.MANAGE)

    @property
    def everywhere(self) -> bool:
        return self in (Right.OPERATE, Right.MANAGE)


def needs(right: Right) -> Callable[[E], E]:
    """Declare the right that an endpoint needs."""

    def declare(endpoint: E) -> E:
        endpoint.right = right  # type: ignore[attr-defined]
        return endpoint

    return declare


class RouteRights:
    """The rights of all routes."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        """Raises AttributeError if an endpoint declares no right."""
        self.declared: list[tuple[Route, Right]] = [
            (route, route.endpoint.right)  # type: ignore[attr-defined]
            for route in routes
            if isinstance(route, Route)
        ]

    def needed(self, scope: Scope) -> Right:
        """The right for a request; READ for unknown routes, so only a key learns which exist."""
        matches = (right for route, right in self.declared if route.matches(scope)[0] is Match.FULL)
        return next(matches, Right.READ)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser's: a cookie that scripts cannot read, and what the page sends in PAGE_HEADER."""

    name: str
    cookie: str
    page: str


class Access:
    """Rules of one service. `host` is the address it binds to, `rate` the limit per key in seconds
    of computing per minute; 0 means no limit.

    `token` is required until the first key is created; "" requires none from this machine.
    """

    def __init__(self, keys: Keys, host: str, rate: int, token: str = "") -> None:
        self._keys = keys
        self._host = host
        self._token = token
        self.rate = Rate(rate)

    @property
    def keyless(self) -> bool:
        """Whether this machine needs only the token: on loopback, before there is a key."""
        return self._host in LOOPBACK and not self._keys.all()

    def who(
        self, right: Right, headers: Mapping[str, str], opens_page: bool, method: str = "GET"
    ) -> Key | None:
        """Authenticate a request. Returns its key, or None if none is needed. Raises ServiceError
        with 401, 403 or 421, and StoreError if the keys cannot be read, except for OPEN routes.
        """
        try:
            keyless = self.keyless
        except StoreError:
            if right is not Right.OPEN:
                raise
            return None
        if keyless:
            _check_place(headers, opens_page)
        if right is Right.OPEN:
            return None
        scheme, _, token = headers.get("authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        if keyless:
            self._check_token(token, headers, method)
            return None
        key = self._keys.check(token) if token else None
        if key is None:
            message = "the API key is wrong or revoked" if token else "the service needs an API key"
            hint = (
                "enter the key that you have, or make one: rag keys add NAME. Programs send it "
                "as the header Authorization: Bearer KEY"
            )
            raise ServiceError(401, "unauthorized", message, hint)
        return key

    def _check_token(self, token: str, headers: Mapping[str, str], method: str) -> None:
        """Check the token, or the page's session. It is needed because requests through a local
        proxy that sends no forwarding headers look like this machine's own.
        """
        is_authentic = (
            _secrets_match(token, self._token) if token else self._in_session(headers, method)
        )
        if is_authentic or not self._token:
            return
        message = "this browser has not been signed in yet"
        if token:
            message = "this address is old: its token is wrong"
        hint = (
            "open the whole address that rag serve printed, with its end #token=…, once in this "
            "browser; then new tabs and bookmarks work too. Programs send the token as the header "
            "Authorization: Bearer TOKEN, or a key made with: rag keys add NAME"
        )
        raise ServiceError(401, "unauthorized", message, hint)

    @property
    def session(self) -> Session | None:
        """The session of a browser that knows the token; None if no token is needed."""
        if not self._token or not self.keyless:
            return None
        name, cookie, page = (self._derived_secret(part) for part in ("name", "cookie", "page"))
        return Session(f"rag-{name[:8]}", cookie, page)

    def _in_session(self, headers: Mapping[str, str], method: str) -> bool:
        """Whether the request has the cookie and the header of the page, and is of its origin."""
        session = self.session
        if session is None:
            return False
        cookie = cookie_parser(headers.get("cookie", "")).get(session.name, "")
        fetched, origin = headers.get("sec-fetch-site", ""), headers.get("origin", "")
        is_from_page = fetched in ("", "same-origin") and bool(
            fetched or origin or method in _READING_METHODS
        )
        sent = headers.get(PAGE_HEADER, "")
        return (
            is_from_page
            and _secrets_match(cookie, session.cookie)
            and _secrets_match(sent, session.page)
        )

    def _derived_secret(self, purpose: str) -> str:
        """A secret that does not reveal the token, the same at each start."""
        return hmac.new(self._token.encode(), purpose.encode(), hashlib.sha256).hexdigest()

    def admit(self, key: Key, right: Right, collection: str) -> None:
        """Authorise a request for the collection with this id, or "" for none. Raises ServiceError
        with 403 or 429. A forbidden collection and an unknown one get the same response.
        """
        may_use = bool(collection) and key.may_use(collection) and not right.everywhere
        unbound = right is Right.ANY and collection in ("", DEFAULT_COLLECTION)
        if not (key.everywhere or may_use or unbound):
            hint = "list the collections it may use with: GET /v1/collections"
            message = f"there is no collection of this name that key {key.id} may use"
            raise ServiceError(403, "collection", message, hint)
        if right.writes and key.scope != WRITE:
            hint = "use a key made with: rag keys add NAME --write"
            raise ServiceError(403, "read-only-key", f"key {key.id} is read-only", hint)
        self.rate.take(key.id)


def may_write(key: Key | None) -> bool:
    """Whether a request may change documents; None is that of the owner before there is a key."""
    return key is None or key.scope == WRITE


def _secrets_match(sent: str, secret: str) -> bool:
    return hmac.compare_digest(sent.encode(), secret.encode())


def _check_place(headers: Mapping[str, str], opens_page: bool) -> None:
    """Without keys, reject requests of other sites' pages: cross-origin ones, and those that use
    another host name for this address (DNS rebinding). Links to the page are allowed.
    """
    if any(map(_FORWARDING.fullmatch, headers)):  # the proxy forwards requests of other machines
        message = "without API keys, the service answers only this machine"
        hint = "create a key for requests through a proxy: rag keys add NAME"
        raise ServiceError(421, "host", message, hint)
    host = headers.get("host", "localhost")
    if _hostname(host) not in LOOPBACK:
        hint = "use http://127.0.0.1, or create a key: rag keys add NAME"
        raise ServiceError(421, "host", "the service answers only this machine", hint)
    origin = headers.get("origin", "")
    is_foreign = bool(origin) and origin.partition("://")[2] != host
    if is_foreign or (headers.get("sec-fetch-site") == "cross-site" and not opens_page):
        message = "other websites may not use this service"
        raise ServiceError(403, "origin", message, "open the page of the service itself")


def _hostname(netloc: str) -> str:
    """The host of a Host header; "" if it is not a name or an address, perhaps with a port."""
    match = _NETLOC.fullmatch(netloc)
    return (match[1] or match[2]).lower() if match else ""


def origins(listed: str) -> list[str]:
    """The comma-separated origins whose pages may use the service with a key. Raises InputError for
    anything else, such as "*" or an address with a path.
    """
    allowed = [origin.strip() for origin in listed.split(",") if origin.strip()]
    for origin in allowed:
        parts = urlsplit(origin)
        web = parts.scheme in ("http", "https") and parts.hostname
        if not web or origin != f"{parts.scheme}://{parts.netloc}":
            message = f"cors_origins: {origin!r} is not an origin"
            raise InputError(message, "write RAG_CORS_ORIGINS=https://app.example.org")
    return allowed


class Rate:
    """Token bucket per key, in seconds of computing: `per_minute` are refilled each minute, and it
    holds no more. A request needs REQUEST_SECONDS; its computing is measured and charged
    afterwards, so a bucket may be overdrawn.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._lock = threading.Lock()
        self._full_at: dict[str, float] = {}
        """When each key's bucket is full again, a `time.monotonic` time."""

    def take(self, key_id: str) -> None:
        """Admit a request. Raises ServiceError with the seconds to wait if too little is left."""
        lacks = REQUEST_SECONDS - self._level(key_id)
        if not self._per_minute or lacks <= 0:
            self.charge(key_id, REQUEST_SECONDS)
            return
        message = (
            f"this key may use {self._per_minute:,} seconds of computing a minute; a request "
            f"counts as {REQUEST_SECONDS} seconds and what it computes"
        )
        seconds = math.ceil(lacks * 60 / self._per_minute)
        raise ServiceError(429, "rate", message, "wait, then send fewer requests", seconds)

    def charge(self, key_id: str, seconds: float) -> None:
        if self._per_minute:
            with self._lock:
                filled = time.monotonic() + self._until_full(key_id)
                self._full_at[key_id] = filled + seconds * 60 / self._per_minute

    def headers(self, key_id: str) -> dict[str, str]:
        """`X-RateLimit-Limit`, `-Remaining` and `-Reset`, in seconds; {} without a limit."""
        if not self._per_minute:
            return {}
        remaining, reset = max(0, int(self._level(key_id))), math.ceil(self._until_full(key_id))
        values = {"Limit": self._per_minute, "Remaining": remaining, "Reset": reset}
        return {f"X-RateLimit-{name}": str(value) for name, value in values.items()}

    def _until_full(self, key_id: str) -> float:
        return max(0.0, self._full_at.get(key_id, 0.0) - time.monotonic())

    def _level(self, key_id: str) -> float:
        return self._per_minute * (1 - self._until_full(key_id) / 60)
