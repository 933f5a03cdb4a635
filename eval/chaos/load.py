"""Memory and fairness of the service. Loopback only; it ends by itself.

    python -m eval.chaos.load INDEX --out eval/results/serve_load_fast.json
    python -m eval.chaos.load --fake --requests 200
    python -m eval.chaos.load --fake --requests 2000 --mixed --out eval/results/mixed.json
    python -m eval.chaos.load --fair 3 --fake --out eval/results/fair.json
    python -m eval.chaos.load --fair 3 --fake --only "POST /mcp ask" --out eval/results/fair.json

The first asks the shipped models thousands of questions, 16 at a time; the second, with the tests'
small ones, measures the service alone, as CI does; the third also searches, checks, uploads, calls
tools and keeps threads. The fourth measures what a flood from one key costs another key: a quiet
key searches, and now and then uploads a file and looks at a page, alone and for some seconds beside
16 clients that send the worst request of a route, for every route. Status 1 if, beside any, its
searches take more than five times as long at the 95th percentile (as alone before that route, or
before all), an upload of 10 kB five seconds, or a picture three. With `--only`, which can be given
several times, the other routes of the file stay as they are.
"""

import contextlib
import itertools
import json
import math
import multiprocessing
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import httpx

from eval.chaos.programs import Program, eventually, served
from eval.scripts import FAKE, GOLD, OUT, PATH, ROOT, finished, machine, milliseconds, script
from eval.scripts import load as machine_load
from rag.evaluation.set_files import json_lines
from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.parsing.pdfs import column, pdf, slow_to_draw

AT_ONCE = 16
CLIENTS, PAUSE, SEARCHES = 16, 0.1, 8
"""Clients of the flood; seconds between two searches of the quiet key; after so many searches, it
uploads a file and looks at a page."""
FLOOD_SECONDS = 8.0
"""A client of the flood waits so long for a response."""
QUESTION_CHARACTERS = 1000
"""Characters of the longest question."""
BOUND, UPLOAD_BOUND, PICTURE_BOUND = 5.0, 5.0, 3.0
"""Searches beside a flood may take so many times as long as alone, at p95; uploads and pictures so
many seconds."""
_TEXT = "The talks number {0} were led by William Burns in Muscat. The safe of room {0} is in Oslo."


def memory(index: Path, fake: bool, requests: int, mixed: bool = False) -> dict[str, Any]:
    """Resident memory after each tenth of the requests; the first tenth fills caches. They are
    questions, or with `mixed` requests of many kinds.
    """
    pool = [row["question"] for row in json_lines(GOLD / "seeds.jsonl")]
    load = machine_load()
    resident = []
    statuses = Counter[int]()
    with (
        served(index, fake, RAG_DEADLINE_MS="110000") as service,
        service.client() as client,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        _fill(client)
        for step in range(10):
            numbers = range(requests // 10)
            questions = [f"{pool[i % len(pool)]} {step} {i}"[-200:] for i in numbers]
            sent = [
                ordinary(question, number if mixed else 0)
                for number, question in enumerate(questions)
            ]
            statuses.update(threads.map(lambda request: request.send(client, 0), sent))
            resident.append(round(service.resident_mib, 1))
            print("memory", step, resident[-1], flush=True)
        peak = round(service.peak_mib, 1)
    return {
        "models": "fakes" if fake else "real",
        "cpu": f"{machine()}, load {load}",
        "requests": statuses.total(),
        "failed": sum(times for status, times in statuses.items() if status >= 300),
        "statuses": dict(sorted(statuses.items())),
        "resident_mib": resident,
        "peak_mib": peak,
        "growth_after_first_tenth_mib": round(resident[-1] - resident[0], 1),
    }


def _fill(client: httpx.Client) -> None:
    """Adds a few documents to an empty index."""
    if not client.get("/v1/documents?limit=1").json()["total"]:
        seeds = sorted((ROOT / "seeds").glob("*.md"))[:20]
        files = [("file", (path.name, path.read_bytes())) for path in seeds]
        client.post("/v1/documents", files=files).raise_for_status()


# Fairness


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the flood; `route` is its path in the API's description, or a name of its own
    after a second space. `{0}` in the path is a number.
    """

    route: str
    path: str = ""
    json: Any = None
    content: bytes | None = None
    file: tuple[str, bytes] | None = None

    def send(self, client: httpx.Client, number: int) -> int:
        method, _, path = self.route.partition(" ")
        address = (self.path or path.partition(" ")[0]).replace("{0}", str(number))
        arguments: dict[str, Any] = {}
        if self.json is not None:
            arguments = {"json": self.json}
        elif self.content is not None:
            arguments = {"content": self.content, "headers": {"Content-Type": "application/json"}}
        elif self.file:
            name, content = self.file
            arguments = {"files": [("file", (name.replace("{0}", str(number)), content))]}
        return client.request(method, address, **arguments).status_code


def ordinary(question: str, number: int) -> Request:
    """A request as people and agents send it, of the kind with this number; 0 is a question."""
    claims = "The talks number 1 were led by Ada Brandt in 2015. " * 10
    message = {"role": "user", "content": question}
    turns = [{"question": question, "answer": {"answer": claims}}]
    rating = {"question": question, "verdict": "right", "answer": "2015"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    kinds = [
        Request("POST /v1/ask", json={"question": question}),
        Request("POST /v1/search", json={"question": question}),
        Request("POST /v1/check", json={"text": claims}),
        Request("POST /v1/documents", json={"name": f"{number % 97}.md", "text": question * 40}),
        Request("GET /v1/documents", "/v1/documents?limit=100"),
        Request("POST /v1/chat/completions", json={"messages": [message]}),
        Request("POST /v1/embeddings", json={"input": [question] * 20}),
        Request("PUT /v1/threads", f"/v1/threads/{number % 50}", {"title": "a", "turns": turns}),
        Request("GET /v1/threads", "/v1/threads?search=talks"),
        Request("POST /v1/feedback", json=rating),
        Request("GET /v1/sources"),
        *(
            Request("POST /mcp", json={**call, "params": {"name": tool, "arguments": arguments}})
            for tool, arguments in (
                ("ask", {"question": question}),
                ("search", {"query": question}),
                ("check_claims", {"text": claims}),
            )
        ),
    ]
    return kinds[number % len(kinds)]


def worst_requests() -> list[Request]:
    """The worst requests of every route: long, many, slow to read or to refuse."""
    question = "Who led the talks number 1?"
    long_question = (f"{question} " * 100)[:QUESTION_CHARACTERS]
    claims = "The talks number 1 were led by Ada Brandt in 2015. " * 2000
    numbers = ", ".join(str(n) for n in range(30_000))
    place = {"text": "b c", "start_char_index": 0, "end_char_index": 3}
    quoted = {"document_id": "uploads/letters.txt", "highlight": place, "cited_text": "b c"}
    talk = [{"role": "user", "content": long_question}] * 50
    part = {"type": "input_text", "text": "a"}
    columns = [{"name": f"c{n}", "question": f"{question} {n}"} for n in range(20)]
    turns = [{"question": long_question, "answer": {"answer": claims[:90_000]}}] * 10
    heads, letters = "uploads/heads.md", "uploads/letters.txt"
    fields = json.dumps({f"a{n}": 1 for n in range(70_000)}).encode()
    objects = json.dumps({"input": [{"content": [{}] * 999}] * 300}).encode()
    numbers_only = json.dumps({"messages": [1] * 300_000}).encode()
    tools: dict[str, dict[str, Any]] = {
        "ask": {"question": long_question},
        "search": {"query": long_question, "limit": 100},
        "check_claims": {"text": claims[:50_000]},
        "why": {"question": long_question},
        "fetch": {"id": letters},
        "read_document": {"document_id": heads, "section": "Heading 7999"},
        "outline": {"document_id": heads},
        "list_documents": {"filters": ["title!=x"] * 20},
        "verify": {"document_id": letters, "quote": "b c", "start": 0, "end": 3, "sentence": "b c"},
        "get_grid": {"name": "grid"},
        "ingest": {"name": "agent.md", "text": claims * 4},
        "delete": {"document_id": "uploads/none.txt"},
        "run_grid": {"name": "grid", "columns": columns},
    }
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    return [
        Request("GET /health"),
        Request("GET /ready"),
        Request("GET /metrics"),
        Request("GET /openapi.json"),
        Request("GET /search", f"/search?q={question}&format=json&pageno=10"),
        Request("POST /v1/search", json={"question": long_question, "top_k": 100}),
        Request("POST /v1/ask", json={"question": long_question, "top_k": 100}),
        Request("POST /v1/ask fields", content=fields),
        Request("POST /v1/ask/batch", json={"questions": [f"{question} {n}" for n in range(64)]}),
        Request(
            "POST /v1/collections/ask", json={"question": long_question, "collections": ["default"]}
        ),
        Request("GET /v1/collections"),
        Request("POST /v1/collections", json={"name": "other"}),
        Request("PATCH /v1/collections/{name}", "/v1/collections/none", json={"name": "other"}),
        Request("DELETE /v1/collections/{name}", "/v1/collections/none"),
        Request("POST /v1/check", json={"text": claims[:200_000]}),
        Request("POST /v1/check brackets", json={"text": "[" * 200_000}),
        Request("POST /v1/check numbers", json={"text": f"The talks had {numbers}."[:200_000]}),
        Request("POST /v1/check/file", file=("a.md", claims.encode() * 3)),
        Request("POST /v1/check/file slow", file=("slow.html", b"<p>x" * 1_000_000)),
        Request("POST /v1/verify", json=quoted),
        Request("POST /v1/verify changed", json={**quoted, "cited_text": claims[:99_000]}),
        Request("POST /v1/proofs/certificate", json={"question": long_question}),
        Request(
            "POST /v1/proofs/bundle", json={"question": long_question, "answer": claims[:90_000]}
        ),
        Request("POST /v1/proofs/verify", content=claims.encode()),
        Request("POST /v1/rerank", json={"query": question, "documents": [claims[:5000]] * 64}),
        Request("POST /v1/embeddings", json={"model": "rag", "input": [claims[:1900]] * 512}),
        Request("POST /v1/chat/completions", json={"model": "rag", "messages": talk}),
        Request("POST /v1/chat/completions numbers", content=numbers_only),
        Request("POST /v1/responses", json={"input": [{"role": "user", "content": [part] * 999}]}),
        Request("POST /v1/responses objects", content=objects),
        Request("GET /v1/models"),
        Request("GET /v1/models/{model}", "/v1/models/rag"),
        Request("GET /v1/vector_stores"),
        Request("GET /v1/vector_stores/{vector_store}", "/v1/vector_stores/default"),
        Request(
            "POST /v1/vector_stores/{vector_store}/search",
            "/v1/vector_stores/default/search",
            json={"query": [long_question] * 8, "max_num_results": 50},
        ),
        Request(
            "POST /v1/dify/retrieval", json={"knowledge_id": "default", "query": long_question}
        ),
        Request(
            "POST /v1/feedback",
            json={"question": long_question, "verdict": "right", "answer": long_question},
        ),
        Request("GET /v1/feedback"),
        Request("GET /v1/threads", "/v1/threads?search=a b c d e f g h i j k l m n o p&limit=500"),
        Request("PUT /v1/threads/{thread}", "/v1/threads/t{0}", {"title": "a", "turns": turns}),
        Request("GET /v1/threads/{thread}", "/v1/threads/t1"),
        Request("DELETE /v1/threads/{thread}", "/v1/threads/none"),
        Request("GET /v1/documents", "/v1/documents?limit=1000&filter=title!=x&filter=year!=1"),
        Request("POST /v1/documents", file=("many{0}.md", f"# Talks\n\n{claims * 20}".encode())),
        Request("POST /v1/documents slow", file=("slow{0}.html", b"<p>x" * 1_000_000)),
        Request("PUT /v1/documents/{document}", "/v1/documents/put{0}.md", {"text": claims}),
        Request("GET /v1/documents/{document}", f"/v1/documents/{heads}"),
        Request("GET /v1/documents/{document}/text", f"/v1/documents/{letters}/text"),
        Request("DELETE /v1/documents/{document}", "/v1/documents/uploads/none.txt"),
        Request("GET /v1/jobs", "/v1/jobs?limit=1000"),
        Request("GET /v1/jobs/{job}", "/v1/jobs/none"),
        Request("DELETE /v1/jobs/{job}", "/v1/jobs/none"),
        Request("GET /v1/blocks", f"/v1/blocks?document={heads}&end=100000000"),
        Request("GET /v1/original", "/v1/original?document=uploads/slow.pdf"),
        Request("GET /v1/pages", "/v1/pages?document=uploads/slow.pdf&page=1&end=9"),
        Request(
            "GET /v1/pages/picture",
            "/v1/pages/picture?document=uploads/slow.pdf&page=1&width=2{0}",
        ),
        Request("GET /v1/sources", "/v1/sources?name=a&limit=500"),
        Request("GET /v1/guide"),
        Request("GET /v1/me"),
        Request("POST /v1/session"),
        Request("GET /v1/grids"),
        Request("POST /v1/grids", json={"name": "grid", "columns": columns}),
        Request("GET /v1/grids/{name}", "/v1/grids/grid"),
        Request("GET /v1/grids/{name}/verify", "/v1/grids/grid/verify"),
        Request("GET /v1/writer"),
        Request("GET /v1/grids/{name}/changes", "/v1/grids/grid/changes"),
        Request("GET /v1/grids/{name}/file", "/v1/grids/grid/file?format=xlsx"),
        Request("POST /v1/grids/{name}/looked", "/v1/grids/grid/looked"),
        Request("POST /v1/grids/{name}/ratings", "/v1/grids/grid/ratings", content=fields),
        Request("POST /v1/grids/{name}/refresh", "/v1/grids/grid/refresh"),
        Request("DELETE /v1/grids/{name}", "/v1/grids/none"),
        *(
            Request(
                f"POST /mcp {name}", json={**call, "params": {"name": name, "arguments": arguments}}
            )
            for name, arguments in tools.items()
        ),
        Request("POST /mcp fields", content=fields),
    ]


def unlisted_routes(
    paths: Mapping[str, Mapping[str, Any]], requests: Sequence[Request]
) -> list[str]:
    """Routes of the API's description that no request asks."""
    requested = {" ".join(request.route.split(" ")[:2]) for request in requests}
    routes = (f"{method.upper()} {path}" for path, methods in paths.items() for method in methods)
    return [route for route in routes if route not in requested]


def quiet_seconds(service: Program, key: str, seconds: float) -> dict[str, list[float]]:
    """Seconds of each search, upload of 10 kB and picture of a page of a key that waits between
    them. A request that fails counts as infinitely long.
    """
    times: dict[str, list[float]] = {"searches": [], "uploads": [], "pictures": []}
    picture = "/v1/pages/picture?document=uploads/plan.pdf&page=1&width=800"

    def timed(kind: str, method: str, path: str, **options: Any) -> None:
        begun = time.perf_counter()
        response = client.request(method, path, **options)
        took = time.perf_counter() - begun
        times[kind].append(took if response.status_code in (200, 201) else math.inf)

    with service.client(key) as client:
        client.get("/ready")  # connects
        number = 0
        until = time.monotonic() + seconds
        while time.monotonic() < until or not all(times.values()):
            body = {"question": f"Where is the safe of room {number % 20}?"}
            timed("searches", "POST", "/v1/search", json=body)
            if number % SEARCHES == SEARCHES - 1:
                text = {"name": "mine.txt", "text": f"Room {number} is empty. " * 450}
                timed("uploads", "POST", "/v1/documents", json=text)
                timed("pictures", "GET", picture)
            time.sleep(PAUSE)
            number += 1
    return times


@contextlib.contextmanager
def flood(service: Program, key: str, request: Request) -> Iterator[Counter[int]]:
    """Clients send the request until the block ends; the number of replies by status."""
    statuses = Counter[int]()
    ended = threading.Event()
    numbers = itertools.count()
    os.nice(max(0, 5 - os.nice(0)))  # other machines send a flood, not this one

    def send() -> None:
        with service.client(key) as client:
            client.timeout = httpx.Timeout(FLOOD_SECONDS)
            while not ended.is_set():
                try:
                    statuses[request.send(client, next(numbers) % 1000)] += 1
                except httpx.HTTPError:
                    statuses[0] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        senders = [pool.submit(send) for _ in range(CLIENTS)]
        try:
            yield statuses
        finally:
            ended.set()
    for sender in senders:
        sender.result()


def _prepared(client: httpx.Client) -> None:
    """Documents of both keys: small ones, and some that are expensive to show."""
    texts = {f"safe-{number}.txt": _TEXT.format(number) for number in range(20)}
    texts["heads.md"] = "".join(f"# Heading {n}\n\nText {n}.\n\n" for n in range(8000))
    texts["letters.txt"] = "a b c " * 300_000
    files = [("file", (name, text.encode())) for name, text in texts.items()]
    files.append(("file", ("slow.pdf", slow_to_draw())))
    files.append(("file", ("plan.pdf", pdf([column(["The safe is in Oslo."], 72)]))))
    job = client.post("/v1/documents", files=files).raise_for_status().json()["id"]
    if not eventually(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "done", 300):
        raise SystemExit("the documents are not in the index after five minutes")


def _in_short(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """p50 and p95 of searches in milliseconds, and the longest upload and picture in seconds."""
    searches = milliseconds(times["searches"])
    maxima = {kind: round(max(times[kind]), 2) for kind in ("uploads", "pictures")}
    return {"search_p50_ms": searches["p50"], "search_p95_ms": searches["p95"], **maxima}


def fairness(index: Path, fake: bool, seconds: float, routes: Sequence[str] = ()) -> dict[str, Any]:
    """The quiet key's times alone, and beside a flood of the worst request of each route, or of
    each of `routes`.
    """
    keys = keys_of(Settings(index=index))
    calm = keys.add("quiet", "write")[1]
    loud = keys.add("loud", "write")[1]
    spawn = multiprocessing.get_context("spawn")
    requests = worst_requests()
    # the quiet key has a process of its own, so that it does not wait for the flood's threads
    # without a rate, which would end the flood after a while
    with (
        served(index, fake, RAG_RATE="0") as service,
        ProcessPoolExecutor(1, mp_context=spawn) as pool,
    ):
        quiet_service = replace(service, process=None)
        with service.client(loud) as client:
            _prepared(client)
        rows = dict[str, dict[str, Any]]()
        times = [dict[str, list[float]](), dict[str, list[float]]()]
        mib_before = service.resident_mib
        for request in requests:
            if routes and request.route not in routes:
                continue
            # alone, again and again: other work of the machine slows both alike
            by_itself = pool.submit(quiet_seconds, quiet_service, calm, seconds / 2).result()
            with flood(service, loud, request) as statuses:
                time.sleep(0.5)
                flood_times = pool.submit(quiet_seconds, quiet_service, calm, seconds).result()
            for times_by_kind, measured in zip(times, (by_itself, flood_times), strict=True):
                for kind, part in measured.items():
                    times_by_kind.setdefault(kind, []).extend(part)
            row = {**_in_short(flood_times), "alone_p95_ms": _in_short(by_itself)["search_p95_ms"]}
            rows[request.route] = {**row, "statuses": dict(sorted(statuses.items()))}
            print(request.route, rows[request.route], round(service.resident_mib), flush=True)
            with service.client(loud) as client:
                for job in client.get("/v1/jobs?state=queued").json().get("jobs", []):
                    client.delete(f"/v1/jobs/{job['id']}")
                for job in client.get("/v1/jobs?state=running").json().get("jobs", []):
                    client.delete(f"/v1/jobs/{job['id']}")
        resident = [round(size, 1) for size in (mib_before, service.resident_mib)]
        peak = round(service.peak_mib, 1)
    quiet_times, beside_all = map(_in_short, times)
    return {
        "models": "fakes" if fake else "real",
        "cpu": f"{machine()}, load {machine_load()}",
        "clients": CLIENTS,
        "seconds_each": seconds,
        "alone": quiet_times,
        "beside_all": beside_all,
        "times_p95": round(beside_all["search_p95_ms"] / quiet_times["search_p95_ms"], 2),
        "resident_before_and_after_mib": resident,
        "peak_mib": peak,
        "beyond_the_bounds": slow_routes(rows, quiet_times["search_p95_ms"]),
        "routes": rows,
    }


def slow_routes(rows: Mapping[str, Mapping[str, float]], alone_p95_ms: float) -> list[str]:
    """The routes whose flood delays the quiet key by more than the bounds. Its searches alone took
    `alone_p95_ms` before all routes together, and another time before each.
    """
    return sorted(
        route
        for route, row in rows.items()
        if row["search_p95_ms"] > BOUND * max(alone_p95_ms, row["alone_p95_ms"])
        or row["uploads"] > UPLOAD_BOUND
        or row["pictures"] > PICTURE_BOUND
    )


def measured_again(earlier_result: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
    """An earlier result with the routes of a later one, and what machine these were measured on."""
    rows = {**earlier_result["routes"], **result["routes"]}
    machines = {
        **earlier_result.get("measured_again", {}),
        **dict.fromkeys(result["routes"], result["cpu"]),
    }
    return {
        **earlier_result,
        "beyond_the_bounds": slow_routes(rows, earlier_result["alone"]["search_p95_ms"]),
        "measured_again": machines,
        "routes": rows,
    }


@script(__doc__)
@click.argument("index", type=PATH, required=False)
@click.option("--requests", default=10_000, help="Number of questions, to measure memory.")
@click.option("--fair", default=0.0, help="Measure fairness, for so many seconds a route.")
@click.option(
    "--only", "routes", multiple=True, help="Measure only this route, as the file names it."
)
@click.option("--mixed", is_flag=True, help="Measure memory with requests of many kinds.")
@FAKE
@OUT
def main(
    index: Path | None,
    requests: int,
    fair: float,
    routes: tuple[str, ...],
    mixed: bool,
    fake: bool,
    out: Path | None,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = index or Path(folder)
        result = (
            fairness(place, fake, fair, routes) if fair else memory(place, fake, requests, mixed)
        )
    if routes and out and out.exists():
        result = measured_again(json.loads(out.read_text()), result)
    finished(result, out, bool(result.get("beyond_the_bounds")))


if __name__ == "__main__":
    main()
