"""Fetches one web page, with limits on size, time and redirects, from one host, as its robots.txt
allows.

The address that is checked is also the one that is connected to, so that a name cannot resolve
elsewhere the second time. Only the request is sent: no cookies, no credentials, no proxy.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

from rag import __version__
from rag.errors import InputError, cause_of
from rag.parsing.base import ParseError
from rag.sockets import shut_at

AGENT = f"rag/{__version__}"
_SECONDS = 30.0
"""Timeout for one page, including its redirects."""
_LONGEST_PAUSE = 10.0
_SHORTEST_PAUSE = 0.1
_REDIRECTS = 5
_MOVED = {301, 302, 303, 307, 308}
VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
"""Headers of a page, each with the one that asks whether it has changed since."""


@dataclass(frozen=True, slots=True)
class WebPage:
    """A response. `url` is the last redirect's target; `body` is empty if the page is unchanged."""

    url: str
    body: bytes
    kind: str
    validators: Mapping[str, str]
    """The ETag and Last-Modified headers, to ask for changes next time."""
    changed: bool = True


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches pages of one host, with its port. `allow_private` permits the local network."""

    host: str
    most_bytes: int
    allow_private: bool = False
    _robots: dict[str, RobotFileParser | ParseError] = field(default_factory=dict, init=False)

    def get(self, url: str, validators: Mapping[str, str] | None = None) -> WebPage:
        """Fetch a page. Raises ParseError if that fails or is forbidden."""
        self._check_host(url)
        parts = urlsplit(url)
        with suppress(OSError, ValueError):  # the request reports it
            self._address(parts.hostname or "", parts.port or 443)  # before anything is asked for
        self._check_robots(url)
        return self._get(url, validators or {})

    def _check_host(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.netloc != self.host:
            raise ParseError(f"leads to {url}, which is not on {self.host}")

    def pause(self) -> float:
        """Seconds to wait between pages: the shortest that a site asks for, at most 10."""
        delays = []
        for robots in self._robots.values():
            delay = robots.crawl_delay(AGENT) if isinstance(robots, RobotFileParser) else None
            if delay:
                delays.append(float(delay))
        return min([*delays, _LONGEST_PAUSE]) if delays else _SHORTEST_PAUSE

    def _check_robots(self, url: str) -> None:
        """Raises ParseError if the site's robots.txt forbids the page, or cannot be fetched."""
        parts = urlsplit(url)
        root = f"{parts.scheme}://{parts.netloc}"
        if root not in self._robots:
            self._robots[root] = self._read_robots(f"{root}/robots.txt")
        robots = self._robots[root]
        if isinstance(robots, ParseError):
            message = f"is not fetched, because its site's robots.txt {robots}"
            raise ParseError(message, transient=robots.transient)
        if not robots.can_fetch(AGENT, url):
            raise ParseError("must not be fetched according to the site's robots.txt")

    def _read_robots(self, url: str) -> RobotFileParser | ParseError:
        """What a robots.txt allows: everything if it is missing, nothing if it cannot be fetched
        (RFC 9309), for the reason that the error gives.
        """
        robots = RobotFileParser()
        try:
            body = self._get(url, {}).body
        except _Absent:
            robots.parse([])
        except ParseError as error:
            return error
        else:
            robots.parse(body.decode("utf-8", "replace").splitlines())
        return robots

    def _get(self, url: str, validators: Mapping[str, str]) -> WebPage:
        """Follow redirects to the page. Raises ParseError for any other response."""
        until = time.monotonic() + _SECONDS
        for _ in range(_REDIRECTS + 1):
            status, headers, body = self._request(url, validators, until)
            location = headers.get("Location")
            if status in _MOVED and location:
                url = _redirected(url, location)
                continue

            if status == 304 and validators:
                return WebPage(url, b"", "", validators, changed=False)
            if 400 <= status < 500:
                raise _Absent(f"was not found: the server answers {status}")
            if status != 200:
                raise ParseError(f"cannot be fetched: the server answers {status}", transient=True)

            new_validators = {}
            for name in VALIDATORS:
                if headers.get(name):
                    new_validators[name] = headers[name]
            return WebPage(url, body, headers.get_content_type(), new_validators)
        raise ParseError(f"is redirected more than {_REDIRECTS} times")

    def _request(
        self, url: str, validators: Mapping[str, str], until: float
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body. Raises ParseError if there is no response in time."""
        self._check_host(url)
        headers = {"User-Agent": AGENT, "Accept-Encoding": "identity"}
        for name, value in validators.items():
            headers[VALIDATORS[name]] = value

        parts = urlsplit(url)
        path = parts.path or "/"
        if parts.query:
            path += f"?{parts.query}"

        try:
            connection = self._connect(url, until)
            try:
                with shut_at(connection.sock, until):
                    connection.request("GET", path, headers=headers)
                    response = connection.getresponse()
                    body = self._body(response, until)
                    return response.status, response.headers, body
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ParseError(f"cannot be fetched: {cause_of(error)}", transient=True) from error

    def _body(self, response: http.client.HTTPResponse, until: float) -> bytes:
        """Read in pieces, since a server may send a byte per second forever."""
        body = bytearray()
        while piece := response.read1(1 << 16):
            body += piece
            if len(body) > self.most_bytes:
                size = f"{self.most_bytes / 1e6:,.0f} MB"
                raise ParseError(f"is larger than {size}; raise RAG_FILE_MB to read it")
            if time.monotonic() > until:
                raise ParseError(f"takes more than {_SECONDS:.0f} s", transient=True)
        return bytes(body)

    def _connect(self, url: str, until: float) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host = parts.hostname or ""
        is_secure = parts.scheme == "https"
        port = parts.port or (443 if is_secure else 80)
        timeout = max(0.1, until - time.monotonic())

        address = self._address(host, port)
        sock = socket.create_connection((address, port), timeout)
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        if is_secure:
            context = ssl.create_default_context()
            sock = context.wrap_socket(sock, server_hostname=host)
        connection.sock = sock
        return connection

    def _address(self, host: str, port: int) -> str:
        """An address of the host to connect to. Raises ParseError if any of them is not public."""
        answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = [str(answer[4][0]) for answer in answers]
        private_addresses = [address for address in addresses if not _is_public(address)]
        if private_addresses and not self.allow_private:
            raise ParseError(
                f"is at the private address {private_addresses[0]}; --allow-private allows that"
            )
        return addresses[0]


class _Absent(ParseError):
    """The server has no such page."""


_CARRIERS = tuple(
    ipaddress.ip_network(net)
    for net in ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "fec0::/10", "5f00::/16")
)
"""IPv6 ranges that are local, or embed IPv4 addresses that may be; `is_global` is true for them."""


def _is_public(address: str) -> bool:
    """Whether an address is in the public internet, also one of IPv4 inside one of IPv6."""
    without_zone, _, _ = address.partition("%")
    parsed = ipaddress.ip_address(without_zone)
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed

    for network in _CARRIERS:
        if network.version == mapped.version and mapped in network:
            return False
    return bool(mapped.is_global) and not mapped.is_multicast


def host_of(url: str) -> str:
    """Host and port of a URL. Raises InputError if it is not a page's URL."""
    hint = "use one such as https://example.org/page.html"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError for an invalid port
    except ValueError as error:
        raise InputError(f"{url} is not a URL: {error}", hint) from error

    is_web = parts.scheme in ("http", "https") and parts.hostname
    has_user = parts.username is not None
    if not is_web or has_user:
        raise InputError(f"{url} is not the URL of a page", hint)
    return parts.netloc


def _redirected(url: str, location: str) -> str:
    """The address that a page at `url` redirects to. Raises ParseError if it is not an address."""
    try:
        target = urljoin(url, location)
        urlsplit(target).port  # noqa: B018  raises
    except ValueError as error:
        raise ParseError(f"is redirected to {location[:200]!r}, which is no address") from error
    return target
