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

import contextlib
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
from urllib.parse import quote

import click
import httpx
import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase, strategies
from schemathesis.core.result import Ok

from eval.chaos.programs import Connection, Program, Wild, served
from eval.scripts import OUT, SEED, finished, script
from rag.server.api_keys import WRITE, keys_of
from rag.settings import Settings

KEYLESS_PATHS = {"/", "/health", "/ready", "/openapi.json"}
"""Paths that need no key."""
_SETTINGS = hypothesis.settings(
    database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
)
_ODD_SIGNS = strategies.characters(categories=["Cs", "Cf", "Cc", "So"])
_TEXT = strategies.text(max_size=60) | strategies.text(_ODD_SIGNS, max_size=20)
_SCALAR = strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats()
_JSON = strategies.recursive(
    _SCALAR | _TEXT,
    lambda x: strategies.lists(x, max_size=4) | strategies.dictionaries(_TEXT, x, max_size=4),
    max_leaves=20,
)
_FIELDS = (
    "highlight document_id question questions k filters deadline_ms stream name text after limit"
).split()
_OTHER_PATHS = (
    "/v1/ask/batch /v1/search /v1/verify /mcp /v1/chat/completions /v1/responses /v1/embeddings "
    "/v1/dify/retrieval /v1/vector_stores/default/search /v1/check /v1/feedback /v1/collections/ask"
).split()
_PATHS = [
    *["/v1/ask"] * 9,
    *["/v1/documents"] * 6,
    *_OTHER_PATHS * 3,
    "/v1/jobs/x",
    "/v1/documents/uploads/a.txt",
    "/",
    "/ready",
    "/metrics",
]
METHODS = ["POST"] * 60 + ["GET", "DELETE", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "NONSENSE"]
_PIECES = [
    *b'" { } [ ] , : \\ud800 \\u0000 1e999 -0 NaN null true --x "k": "stream":true,'.split(),
    b"",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\xe2\x80\xae",
    b"9" * 400,
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
    [],
    {},
    [[]],
    "",
    " ",
    "a",
    "a.md",
    "\u202e",
    "\ud800",
    "\0",
    "x" * 2000,
    ["Who?"] * 70,
    ["year>=2024"],
    ["document=uploads/a.txt"],
    ["\ud800=1"],
    {"text": "a", "start_char_index": 0},
]
_TOOLS = [
    "",
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
]
MCP_METHODS = ["tools/call"] * 12 + (
    "tools/list resources/read resources/templates/list initialize ping server/discover "
    "notifications/initialized prompts/list subscriptions/listen nonsense"
).split()
_MCP_MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "0"},
}
_MUTATIONS = 16
"""Number of mutations of each request."""
_TYPES = [
    *["application/json"] * 2,
    "text/plain",
    "multipart/form-data",
    "",
    "a/b; c=",
    "multipart/form-data; boundary=x",
]
_HEADERS = b"authorization x-request-id accept range origin expect if-none-match".split()


def _body() -> strategies.SearchStrategy[bytes]:
    likely_fields = strategies.dictionaries(strategies.sampled_from(_FIELDS), _JSON, max_size=5)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
    form = strategies.binary(max_size=200).map(lambda content: head + content + b"\r\n--x--\r\n")
    nested = strategies.integers(1, 100_000).map(lambda depth: b"[" * depth)
    sizes = strategies.integers(1, 2_000_000)
    oversized = sizes.map(lambda size: b'{"question": "%s"}' % (b"x" * size))
    as_json = (likely_fields | _JSON).map(lambda value: json.dumps(value).encode())
    binary = strategies.binary(max_size=300)
    return as_json | as_json | as_json | form | binary | strategies.one_of(nested, oversized)


def _wild() -> strategies.SearchStrategy[Wild]:
    one_of = strategies.sampled_from
    names = _TEXT.map(lambda text: "/v1/documents/" + quote(text.encode("utf-8", "replace")))
    value = strategies.binary(max_size=30).filter(lambda value: not set(value) & {0, 10, 13})
    header = strategies.dictionaries(one_of(_HEADERS), value, max_size=2)
    body = strategies.just(b"") | _body()
    path = one_of(_PATHS) | names
    return strategies.tuples(one_of(METHODS), path, one_of(_TYPES), header, body)


def _mcp() -> strategies.SearchStrategy[Wild]:
    """Messages to /mcp, of both protocol versions: valid, almost valid, and others."""
    one_of = strategies.sampled_from
    words = one_of(["Who led the talks?", "uploads/well.txt", "uploads/well.txt#char=0,5"]) | _TEXT
    names = one_of("question query id quote section".split() + _FIELDS)
    numbers = one_of("start end limit lines start_line offset length passages".split())
    values = words | strategies.integers(0, 10**10)
    arguments = strategies.dictionaries(names, words | _JSON, max_size=4)
    arguments |= strategies.dictionaries(names | numbers, values, max_size=6)
    number = strategies.integers() | _TEXT | strategies.none()
    version = one_of(["2026-07-28", "2025-11-25", "2024-11-05", "", "x"])
    tool = one_of(_TOOLS)
    return strategies.builds(message, one_of(MCP_METHODS), tool, arguments | _JSON, number, version)


def message(method: str, tool: str, arguments: Any, number: Any, version: str) -> Wild:
    modern = version == "2026-07-28"
    params = {"name": tool, "arguments": arguments, "uri": f"rag://document/{arguments}"[:300]}
    params |= {"_meta": _MCP_MODERN} if modern else {}
    body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    headers = {b"accept": b"application/json, text/event-stream"}
    if version:
        headers[b"mcp-protocol-version"] = version.encode()
    if modern:
        headers |= {b"mcp-method": method.encode(), b"mcp-name": tool.encode()}
    return "POST", "/mcp", "application/json", headers, json.dumps(body).encode()


def _send_many(
    strategy: strategies.SearchStrategy[Any], number: int, seed: int, send: Callable[[Any], None]
) -> None:
    """Call `send` with this many values, in separate runs that free hypothesis's memory."""
    for start in range(0, number, 200):

        @hypothesis.seed(seed + start)
        @hypothesis.settings(_SETTINGS, max_examples=min(200, number - start))
        @hypothesis.given(strategy)
        def run(value: Any) -> None:
            send(value)

        run()


def mutated(body: bytes, chance: random.Random) -> bytes:
    """The body with one other value, or a few bytes changed, lost, doubled or swapped."""
    if chance.random() < 0.6:
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(body)
            params = value.get("params") if isinstance(value, dict) else None
            if isinstance(params, dict) and chance.random() < 0.8:
                arguments = params.get("arguments")
                part = (
                    arguments if isinstance(arguments, dict) and chance.random() < 0.7 else params
                )
                part[chance.choice([*part, *_FIELDS])] = chance.choice(_ODD)
                return json.dumps(value).encode()
            if isinstance(value, dict):
                odd = {chance.choice([*value, *_FIELDS]): chance.choice(_ODD)}
                return json.dumps({"question": "Who led the talks?", **value, **odd}).encode()
    changed = bytearray(body[:5000] or b"{}")
    for _ in range(chance.randint(1, 4)):
        start = chance.randrange(len(changed) + 1)
        changed[start : start + chance.randint(0, 3)] = chance.choice(_PIECES)
    cut = chance.randrange(len(changed) + 1)
    return bytes(changed[cut:] + changed[:cut] if chance.random() < 0.1 else changed)


def _send_slowly(url: str) -> None:
    """Send headers whose body does not arrive."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port or 80), timeout=5) as connection:
        head = b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{"
        connection.sendall(head)
        time.sleep(0.01)


def fuzz(url: str, number: int, seed: int, locked: bool = False) -> Counter[str]:
    """Send this many requests from one process. Returns the count of each status, and each request
    that broke the rule.

    `locked`: the service has keys and none is sent, so that nothing may succeed except what is open
    to all.
    """
    warnings.simplefilter("ignore")
    outcomes: Counter[str] = Counter()
    chance = random.Random(seed)
    posts: list[Wild] = []
    with contextlib.closing(Connection(url)) as connection:

        def note(status: int, path: str, description: Callable[[], str]) -> None:
            outcomes[str(status)] += 1
            entered = locked and status < 400 and path.partition("?")[0] not in KEYLESS_PATHS
            if entered or (status >= 500 and status != 503):
                outcomes[f"BROKEN {status} {description()[:300]}"] += 1

        def send(request: Wild) -> None:
            reply = connection.send(request)
            if isinstance(reply, str):
                outcomes[reply] += 1
            else:
                note(reply[0], request[1], lambda: repr(request))
            if chance.random() < 0.002:
                _send_slowly(url)
                outcomes["slow body"] += 1

        described = httpx.get(f"{url}/openapi.json", timeout=60, trust_env=False).json()
        schema = schemathesis.openapi.from_dict(described)
        results = schema.get_all_operations()
        operations = [result.ok() for result in results if isinstance(result, Ok)]
        share = max(1, number // (2 + 2 * _MUTATIONS) // len(operations))

        def allowed(case: Any) -> None:
            status = case.call(base_url=url, timeout=60).status_code
            note(status, case.path, lambda: f"{case.method} {case.path} {case.body!r}")
            if case.method == "POST":
                body = json.dumps(case.body, default=str).encode()
                change(("POST", case.path, "application/json", {}, body))

        def change(request: Wild) -> None:
            if request[0] == "POST":
                posts.append(request)
            for _ in range(_MUTATIONS):
                send((*request[:4], mutated(request[4], chance)))

        def wild(request: Wild) -> None:
            send(request)
            change(request)

        for place, operation in enumerate(operations):
            _send_many(operation.as_strategy(), share, seed * 1_000_003 + place, allowed)
        _send_many(_wild(), number // (2 + 2 * _MUTATIONS) // 2, seed * 1_000_003, wild)
        _send_many(_mcp(), number // (2 + 2 * _MUTATIONS) // 2, seed * 1_000_007, wild)
        while _sent(outcomes) < number:
            request = chance.choice(posts)
            send((*request[:4], mutated(request[4], chance)))
    return outcomes


def _sent(outcomes: Counter[str]) -> int:
    return sum(times for outcome, times in outcomes.items() if not outcome.startswith("BROKEN"))


def _well(service: Program, key: str) -> dict[str, Any]:
    """Whether the service answers a question and nothing is queued, and its threads."""
    with service.client(key) as client:
        text = {"name": "well.txt", "text": "The talks were led by William Burns."}
        put = client.post("/v1/documents", json=text)
        question = {"question": "Who led the talks?", "filters": ["document=uploads/well.txt"]}
        answer = client.post("/v1/ask", json=question)
        state = client.get("/ready").json()
    return {
        "put": put.status_code,
        "answer": answer.json().get("answer"),
        "waiting": (state.get("waiting_questions"), state.get("waiting_files")),
        "threads": service.threads,
        "resident_mib": round(service.resident_mib),
    }


@script(__doc__)
@click.option("--requests", default=1000, help="Number of requests to send.")
@click.option("--processes", default=1, help="Number of processes that send them.")
@click.option("--locked", is_flag=True, help="The service has keys, and none is sent.")
@SEED
@OUT
def main(requests: int, processes: int, locked: bool, seed: int, out: Path | None) -> None:
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        index = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        key = keys_of(Settings(index=index)).add("fuzz", WRITE)[1] if locked else ""
        service = stack.enter_context(served(index, True, RAG_MAX_UPLOAD_MB="1"))
        state_before = _well(service, key)
        seeds = range(seed, seed + processes)
        arguments = [(service.url, requests // processes, own_seed, locked) for own_seed in seeds]
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            outcomes = sum(pool.starmap(fuzz, arguments), Counter[str]())
        state_after = _well(service, key)
    broken = {outcome: times for outcome, times in outcomes.items() if outcome.startswith("BROKEN")}
    result = {
        "models": "fakes",
        "locked": locked,
        "requests": _sent(outcomes),
        "seconds": round(time.monotonic() - begun),
        "outcomes": {
            outcome: times for outcome, times in sorted(outcomes.items()) if outcome not in broken
        },
        "broken": broken,
        "before": state_before,
        "after": state_after,
    }
    finished(result, out, broken or state_after["answer"] != state_before["answer"])


if __name__ == "__main__":
    main()
