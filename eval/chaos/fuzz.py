"""Sends valid, invalid and mutated requests to the service; it must answer none with a 5xx except
503, and be healthy afterwards.

    python -m eval.chaos.fuzz --requests 100000 --out eval/results/serve_fuzz.json
    python -m eval.chaos.fuzz --requests 500

CI runs the second.

Some requests are valid by the OpenAPI schema, made by schemathesis; as many violate it, made by
hypothesis: wrong types, deep JSON, bad UTF-8, large bodies, odd names, methods and headers, broken
forms, and now and then a body that does not arrive. The others are mutations of both, with bytes
changed, lost, doubled and swapped. The service runs on the tests' small models, over an index that
fills and empties as documents are put and deleted. Loopback only.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import random
import socket
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import hypothesis
import schemathesis
from hypothesis import HealthCheck, strategies
from schemathesis.core.result import Ok

from eval.chaos.servers import Served, served
from rag.server.api_keys import WRITE, keys_of
from rag.server.auth import OPEN
from rag.settings import Settings

_ANY = hypothesis.settings(
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(HealthCheck),
)
_TEXT = strategies.text(max_size=60) | strategies.text(
    strategies.characters(categories=["Cs", "Cf", "Cc", "So"]), max_size=20
)
_SCALAR = (
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | _TEXT
)
_JSON = strategies.recursive(
    _SCALAR,
    lambda inner: (
        strategies.lists(inner, max_size=4) | strategies.dictionaries(_TEXT, inner, max_size=4)
    ),
    max_leaves=20,
)
_FIELDS = [
    "highlight",
    "document_id",
    "question",
    "questions",
    "k",
    "filters",
    "deadline_ms",
    "stream",
    "name",
    "text",
    "after",
    "limit",
]
_PATHS = [
    "/v1/ask",
    "/v1/ask",
    "/v1/ask",
    "/v1/ask/batch",
    "/v1/search",
    "/v1/verify",
    "/v1/documents",
    "/v1/documents",
]
_PATHS += ["/mcp", "/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/dify/retrieval"]
_PATHS += ["/v1/vector_stores/default/search", "/v1/check", "/v1/feedback", "/v1/collections/ask"]
_PATHS = _PATHS * 3 + ["/v1/jobs/x", "/v1/documents/uploads/a.txt", "/", "/ready", "/metrics"]
_METHODS = ["POST"] * 60 + ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "NONSENSE"]
_PIECES = [
    b"",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\\ud800",
    b"1e999",
    b"-0",
    b"NaN",
]
_PIECES += [
    b"null",
    b"true",
    b'"k":',
    b'"question":""',
    b"\\u0000",
    b"\r\n",
    b"--x",
    b"9" * 400,
    b"\xe2\x80\xae",
    b'"stream":true,',
]
_ODD: list[Any] = [
    None,
    True,
    0,
    1,
    -1,
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    "",
    " ",
    "a",
    "\u202e",
    "\ud800",
    "\0",
    "x" * 2000,
]
_ODD += [
    [],
    {},
    [[]],
    ["year>=2024"],
    ["document=uploads/a.txt"],
    ["\ud800=1"],
    {"text": "a", "start_char_index": 0},
    ["Who?"] * 70,
    "a.md",
]
_TOOLS = [
    "ask",
    "search",
    "why",
    "fetch",
    "read_document",
    "outline",
    "list_documents",
    "verify",
    "check_claims",
    "ingest",
    "delete",
    "",
]
_MCP_METHODS = ["tools/call"] * 12 + [
    "tools/list",
    "resources/read",
    "resources/templates/list",
    "initialize",
    "ping",
]
_MCP_METHODS += [
    "server/discover",
    "notifications/initialized",
    "prompts/list",
    "subscriptions/listen",
    "nonsense",
    "",
]
_MCP_MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "0"},
}
_CHANGED = 16
"""Number of mutations of each request."""
_TYPES = [
    "application/json",
    "application/json",
    "text/plain",
    "multipart/form-data",
    "multipart/form-data; boundary=x",
    "",
    "a/b; c=",
]
Wild = tuple[str, str, str, dict[bytes, bytes], bytes]
"""(method, path, media type, other headers, body)"""


def _body() -> strategies.SearchStrategy[bytes]:
    almost = strategies.dictionaries(strategies.sampled_from(_FIELDS), _JSON, max_size=5)
    form = strategies.binary(max_size=200).map(
        lambda inside: (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
            + inside
            + b"\r\n--x--\r\n"
        )
    )
    deep = strategies.integers(1, 100_000).map(lambda depth: b"[" * depth)
    large = strategies.integers(1, 2_000_000).map(
        lambda size: b'{"question": "' + b"x" * size + b'"}'
    )
    as_json = (almost | _JSON).map(lambda value: json.dumps(value).encode())
    return (
        as_json
        | as_json
        | as_json
        | form
        | strategies.binary(max_size=300)
        | strategies.one_of(deep, large)
    )


def _wild() -> strategies.SearchStrategy[Wild]:
    path = strategies.sampled_from(_PATHS) | _TEXT.map(
        lambda text: "/v1/documents/" + quote(text.encode("utf-8", "replace"))
    )
    header = strategies.dictionaries(
        strategies.sampled_from(
            [
                b"authorization",
                b"x-request-id",
                b"accept",
                b"range",
                b"origin",
                b"expect",
                b"if-none-match",
            ]
        ),
        strategies.binary(max_size=30).filter(lambda value: not set(value) & {0, 10, 13}),
        max_size=2,
    )
    return strategies.tuples(
        strategies.sampled_from(_METHODS),
        path,
        strategies.sampled_from(_TYPES),
        header,
        strategies.just(b"") | _body(),
    )


def _mcp() -> strategies.SearchStrategy[Wild]:
    """Messages to /mcp, of both protocol versions: valid, almost valid, and others."""
    words = (
        strategies.sampled_from(
            ["Who led the talks?", "uploads/well.txt", "uploads/well.txt#char=0,5"]
        )
        | _TEXT
    )
    names = strategies.sampled_from(
        ["question", "query", "id", "document_id", "quote", "section", "name", *_FIELDS]
    )
    numbers = strategies.sampled_from(
        ["start", "end", "limit", "lines", "start_line", "offset", "length", "passages"]
    )
    arguments = strategies.dictionaries(names, words | _JSON, max_size=4) | strategies.dictionaries(
        names | numbers, words | strategies.integers(0, 10**10), max_size=6
    )
    return strategies.builds(
        _message,
        strategies.sampled_from(_MCP_METHODS),
        strategies.sampled_from(_TOOLS),
        arguments | _JSON,
        strategies.integers() | _TEXT | strategies.none(),
        strategies.sampled_from(["2026-07-28", "2025-11-25", "2024-11-05", "", "x"]),
    )


def _message(method: str, tool: str, arguments: Any, number: Any, version: str) -> Wild:
    modern = version == "2026-07-28"
    params = {"name": tool, "arguments": arguments, "uri": f"rag://document/{arguments}"[:300]}
    body = {
        "jsonrpc": "2.0",
        "id": number,
        "method": method,
        "params": params | ({"_meta": _MCP_MODERN} if modern else {}),
    }
    headers = {b"accept": b"application/json, text/event-stream"}
    if version:
        headers[b"mcp-protocol-version"] = version.encode()
    if modern:
        headers |= {b"mcp-method": method.encode(), b"mcp-name": tool.encode()}
    return "POST", "/mcp", "application/json", headers, json.dumps(body).encode()


def _many(
    strategy: strategies.SearchStrategy[Any], number: int, seed: int, do: Callable[[Any], None]
) -> None:
    """Call `do` with this many values, in separate runs that free hypothesis's memory."""
    done = 0
    while done < number:
        size = min(200, number - done)

        @hypothesis.seed(seed + done)
        @hypothesis.settings(_ANY, max_examples=size)
        @hypothesis.given(strategy)
        def run(value: Any) -> None:
            do(value)

        run()
        done += size


def _changed(body: bytes, chance: random.Random) -> bytes:
    """The body with another value in one place, or with a few bytes changed, lost, doubled, or two
    parts swapped."""
    if chance.random() < 0.6:
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(body)
            if (
                isinstance(found, dict)
                and isinstance(found.get("params"), dict)
                and chance.random() < 0.8
            ):
                params = found["params"]
                inside = params.get("arguments")
                part = inside if isinstance(inside, dict) and chance.random() < 0.7 else params
                part[chance.choice([*part, *_FIELDS])] = chance.choice(_ODD)
                return json.dumps(found).encode()
            if isinstance(found, dict):
                name = chance.choice([*found, *_FIELDS])
                return json.dumps(
                    {"question": "Who led the talks?", **found, name: chance.choice(_ODD)}
                ).encode()
    made = bytearray(body[:5000] or b"{}")
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(made) + 1)
        made[at : at + chance.randint(0, 3)] = chance.choice(_PIECES)
    cut = chance.randrange(len(made) + 1)
    return bytes(made[cut:] + made[:cut] if chance.random() < 0.1 else made)


class _Raw:
    """A connection for malformed requests."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)

    def send(self, request: Wild) -> int:
        method, path, kind, headers, body = request
        given = {"Content-Type": kind} | {
            name.decode(): value.decode("latin-1") for name, value in headers.items()
        }
        self._connection.request(method, path, body, given)
        response = self._connection.getresponse()
        response.read()
        return response.status

    def close(self) -> None:
        self._connection.close()


def _slow(url: str) -> None:
    """Send headers whose body does not arrive."""
    place = urlsplit(url)
    with socket.create_connection(
        (place.hostname or "", place.port or 80), timeout=5
    ) as connection:
        connection.sendall(
            b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"
        )
        time.sleep(0.01)


def fuzz(url: str, number: int, seed: int, locked: bool = False) -> Counter[str]:
    """Send this many requests from one process. Returns the count of each status, and each request
    that broke the rule.

    `locked`: the service has keys and none is sent, so that nothing may succeed except what is open
    to all.
    """
    warnings.simplefilter("ignore")
    found: Counter[str] = Counter()
    chance = random.Random(seed)
    seen: list[Wild] = []
    with contextlib.closing(_Raw(url)) as raw:

        def note(status: int, path: str, what: Callable[[], str]) -> None:
            found[str(status)] += 1
            entered = locked and status < 400 and path.partition("?")[0] not in OPEN
            if entered or (status >= 500 and status != 503):
                found[f"BROKEN {status} {what()[:300]}"] += 1

        def send(request: Wild) -> None:
            try:
                note(raw.send(request), request[1], lambda: repr(request))
            except (http.client.HTTPException, OSError, ValueError) as error:
                raw.close()
                found[type(error).__name__] += 1
            if chance.random() < 0.002:
                _slow(url)
                found["slow body"] += 1

        described = httpx.get(f"{url}/openapi.json", timeout=60, trust_env=False).json()
        schema = schemathesis.openapi.from_dict(described)
        operations = [
            result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)
        ]
        each = max(1, number // (2 + 2 * _CHANGED) // len(operations))

        def allowed(case: Any) -> None:
            note(
                case.call(base_url=url, timeout=60).status_code,
                case.path,
                lambda: f"{case.method} {case.path} {case.body!r}",
            )
            if case.method == "POST":
                change(
                    (
                        "POST",
                        case.path,
                        "application/json",
                        {},
                        json.dumps(case.body, default=str).encode(),
                    )
                )

        def change(request: Wild) -> None:
            if request[0] == "POST":
                seen.append(request)
            for _ in range(_CHANGED):
                send((*request[:4], _changed(request[4], chance)))

        def wild(request: Wild) -> None:
            send(request)
            change(request)

        for place, operation in enumerate(operations):
            _many(operation.as_strategy(), each, seed * 1_000_003 + place, allowed)
        _many(_wild(), number // (2 + 2 * _CHANGED) // 2, seed * 1_000_003, wild)
        _many(_mcp(), number // (2 + 2 * _CHANGED) // 2, seed * 1_000_007, wild)
        while sum(times for what, times in found.items() if not what.startswith("BROKEN")) < number:
            request = chance.choice(seen)
            send((*request[:4], _changed(request[4], chance)))
    return found


def _well(service: Served, key: str) -> dict[str, Any]:
    """The service's health: whether it answers a question and nothing is queued, and its number of
    threads.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=service.url, timeout=60, trust_env=False, headers=headers) as client:
        put = client.post(
            "/v1/documents",
            json={"name": "well.txt", "text": "The talks were led by William Burns."},
        )
        answer = client.post(
            "/v1/ask",
            json={"question": "Who led the talks?", "filters": ["document=uploads/well.txt"]},
        )
        ready = client.get("/ready").json()
    waiting = ready.get("waiting_questions"), ready.get("waiting_files")
    return {
        "put": put.status_code,
        "answer": answer.json().get("answer"),
        "waiting": waiting,
        "threads": service.threads,
        "resident_mib": round(service.resident_mib),
    }


def options(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--locked", action="store_true", help="with keys, and none is sent")
    parser.add_argument("--out", type=Path)
    return parser.parse_args(given)


def run(arguments: argparse.Namespace) -> None:
    """Raises SystemExit if the service is not healthy."""
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        index = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key = keys_of(Settings(index=index)).add("fuzz", WRITE)[1] if arguments.locked else ""
        service = stack.enter_context(
            served(index, True, RAG_MAX_UPLOAD_MB="1", RAG_THRESHOLD="0.15")
        )
        before = _well(service, key)
        each = arguments.requests // arguments.processes
        work = [
            (service.url, each, arguments.seed + number, arguments.locked)
            for number in range(arguments.processes)
        ]
        with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
            found = sum(pool.starmap(fuzz, work), Counter[str]())
        after = _well(service, key)
    broken = {what: times for what, times in found.items() if what.startswith("BROKEN")}
    result = {
        "models": "fakes",
        "locked": arguments.locked,
        "requests": sum(times for what, times in found.items() if not what.startswith("BROKEN")),
        "seconds": round(time.monotonic() - begun),
        "outcomes": {what: times for what, times in sorted(found.items()) if what not in broken},
        "broken": broken,
        "before": before,
        "after": after,
    }
    text = json.dumps(result, indent=2, ensure_ascii=True)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    if broken or after["answer"] != before["answer"]:
        raise SystemExit("the service does not stand")


if __name__ == "__main__":
    run(options())
