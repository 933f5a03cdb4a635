"""Memory and fairness of the service. Loopback only; it ends by itself.

    python -m eval.chaos.load INDEX --out eval/results/serve_load_fast.json
    python -m eval.chaos.load --fake --requests 200
    python -m eval.chaos.load --fair 60 --fake --out eval/results/fair.json

The first asks the shipped models thousands of questions, 16 at a time; the second, with the tests'
small ones, measures the service alone, as CI does. The third measures what a flood from one key
costs another key: a quiet key searches and asks now and then, by turns alone and beside 32 clients
that send the worst requests of each endpoint. Turns of a few seconds let other work of the machine
slow both alike. Status 1 if its searches take more than five times as long beside the flood, at the
median or the 95th percentile, or a question is not answered."""

import contextlib
import multiprocessing
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import httpx

from eval.chaos.programs import Program, served
from eval.scripts import FAKE, GOLD, OUT, PATH, ROOT, SEED, finished, machine, milliseconds, script
from eval.scripts import load as machine_load
from rag.evaluation.set_files import json_lines
from rag.server.api_keys import keys_of
from rag.settings import Settings

AT_ONCE = 16
CLIENTS, PAUSE, TURNS, ASK_EACH = 32, 0.2, 3, 5
"""Clients of the flood; seconds between two searches of the quiet key; turns alone and beside the
flood; every so many searches, it asks a question."""
LONGEST = 1000
"""Characters of the longest question."""
BOUND = 5.0
"""Searches beside a flood may take so many times as long as alone, at the median and p95."""
_TEXT = "The talks number {0} were led by William Burns in Muscat. The safe of room {0} is in Oslo."


def memory(index: Path, fake: bool, requests: int) -> dict[str, Any]:
    """Resident memory after each tenth of the requests; the first tenth fills caches."""
    pool = [row["question"] for row in json_lines(GOLD / "seeds.jsonl")]
    load = machine_load()
    resident, statuses = [], Counter[int]()
    with (
        served(index, fake, RAG_DEADLINE_MS="110000") as service,
        service.client() as client,
        ThreadPoolExecutor(AT_ONCE) as threads,
    ):
        _fill(client)
        for step in range(10):
            each = range(requests // 10)
            bodies = [{"question": f"{pool[i % len(pool)]} {step} {i}"[-200:]} for i in each]
            replies = threads.map(lambda body: client.post("/v1/ask", json=body), bodies)
            statuses.update(reply.status_code for reply in replies)
            resident.append(round(service.resident_mib, 1))
            print("memory", step, resident[-1], flush=True)
    return {
        "models": "fakes" if fake else "real",
        "cpu": f"{machine()}, load {load}",
        "requests": statuses.total(),
        "failed": statuses.total() - statuses[200],
        "resident_mib": resident,
        "growth_after_first_tenth_mib": round(resident[-1] - resident[0], 1),
    }


def _fill(client: httpx.Client) -> None:
    """Adds a few documents to an empty index."""
    if not client.get("/v1/documents?limit=1").json()["total"]:
        seeds = sorted((ROOT / "seeds").glob("*.md"))[:20]
        files = [("file", (path.name, path.read_bytes())) for path in seeds]
        client.post("/v1/documents", files=files).raise_for_status()


# Fairness


def quiet(service: Program, key: str, seconds: float) -> tuple[list[float], list[float]]:
    """Seconds of each search, and of each question, of a key that waits between them. Raises
    RuntimeError if the service refuses one, or a question has no answer."""
    times: tuple[list[float], list[float]] = [], []
    with service.client(key) as client:
        client.get("/ready")  # connects
        number, until = 0, time.monotonic() + seconds
        while time.monotonic() < until or not all(times):
            asks = number % ASK_EACH == 0
            body = {"question": f"Where is the safe of room {number % 20}?"}
            begun = time.perf_counter()
            response = client.post("/v1/ask" if asks else "/v1/search", json=body)
            times[asks].append(time.perf_counter() - begun)
            if response.status_code != 200 or (asks and not response.json()["answer"]):
                got = f"{response.status_code} {response.text[:200]}"
                raise RuntimeError(f"the quiet key got {got}")
            time.sleep(PAUSE)
            number += 1
    return times


@contextlib.contextmanager
def flood(
    service: Program, key: str, clients: int, seed: int
) -> Iterator[list[tuple[str, int, float]]]:
    """Clients send requests until the block ends; (path, status, seconds) of each reply."""
    replies: list[tuple[str, int, float]] = []
    ended = threading.Event()

    def send(number: int) -> None:
        chance = random.Random(seed + number)
        with service.client(key) as client:
            while not ended.is_set():
                method, path, body = chance.choice(worst(chance.randrange(10_000)))
                begun = time.perf_counter()
                try:
                    status = client.request(method, path, json=body).status_code
                except httpx.HTTPError:
                    status = 0
                replies.append((path.partition("?")[0], status, time.perf_counter() - begun))

    with ThreadPoolExecutor(CLIENTS) as pool:
        senders = [pool.submit(send, number) for number in range(clients)]
        try:
            yield replies
        finally:
            ended.set()
    for sender in senders:
        sender.result()


def worst(number: int) -> list[tuple[str, str, Any]]:
    """(method, path, body) of the worst requests of each endpoint: long, many, or slow to read."""
    question = f"Who led the talks number {number}?"
    long = (f"{question} " * 100)[:LONGEST]
    claims = f"The talks number {number} were led by Ada Brandt in 2015. " * 2000
    numbers = ", ".join(str(number + n) for n in range(30_000))
    ask = {"question": long, "top_k": 100}
    place = {"text": long, "start_char_index": 0, "end_char_index": len(long)}
    quoted = {"document_id": "uploads/safe-0.txt", "highlight": place}
    quoted |= {"cited_text": claims[:99_000]}
    talk = [{"role": "user", "content": long}] * 50
    tool = {"name": "ask", "arguments": {"question": long}}
    upload = f"# Talks\n\n{claims}{claims}\n\n| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 5000
    columns = [{"name": f"c{n}", "question": f"{question} {n}"} for n in range(20)]
    return [
        ("POST", "/v1/search", ask),
        ("POST", "/v1/ask", ask),
        ("POST", "/v1/ask/batch", {"questions": [f"{question} {n}" for n in range(64)]}),
        ("POST", "/v1/collections/ask", {"question": long, "collections": ["default"]}),
        ("POST", "/v1/check", {"text": "[" * 200_000}),
        ("POST", "/v1/check", {"text": claims[:200_000]}),
        ("POST", "/v1/check", {"text": f"The talks had {numbers} guests."[:200_000]}),
        ("POST", "/v1/verify", quoted),
        ("POST", "/v1/rerank", {"query": question, "documents": [claims[:5000]] * 64}),
        ("POST", "/v1/embeddings", {"model": "rag", "input": [claims[:1900]] * 512}),
        ("POST", "/v1/chat/completions", {"model": "rag", "messages": talk}),
        ("POST", "/v1/responses", {"model": "rag", "input": long}),
        ("POST", "/v1/vector_stores/default/search", {"query": long, "max_num_results": 50}),
        ("POST", "/v1/dify/retrieval", {"knowledge_id": "default", "query": long}),
        ("POST", "/v1/feedback", {"question": long, "verdict": "right", "answer": long}),
        ("POST", "/v1/documents", {"name": f"{number % 20}.txt", "text": upload}),
        ("POST", "/v1/grids", {"name": f"grid {number % 3}", "columns": columns}),
        ("POST", "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": tool}),
        ("GET", "/v1/documents?limit=1000", None),
        ("GET", "/v1/feedback", None),
    ]


def fairness(index: Path, fake: bool, seconds: float, seed: int) -> dict[str, Any]:
    """The quiet key's times alone and beside the flood."""
    keys = keys_of(Settings(index=index))
    calm, loud = keys.add("quiet", "read")[1], keys.add("loud", "write")[1]
    extra = {"TEST_SLOW": "0.1"} if fake else {}
    spawn = multiprocessing.get_context("spawn")
    # the quiet key has a process of its own, so that it does not wait for the flood's threads
    with served(index, fake, **extra) as service, ProcessPoolExecutor(1, mp_context=spawn) as pool:
        quiet_service = replace(service, process=None)
        with service.client(loud) as client:
            for number in range(20):
                upload = {"name": f"safe-{number}.txt", "text": _TEXT.format(number)}
                client.post("/v1/documents", json=upload).raise_for_status()
        times: dict[int, tuple[list[float], list[float]]] = {0: ([], []), CLIENTS: ([], [])}
        replies = []
        for turn in range(2 * TURNS):
            clients = CLIENTS * (turn % 2)
            with flood(service, loud, clients, 100 * seed) as beside_it:
                part = pool.submit(quiet, quiet_service, calm, seconds / TURNS).result()
            replies += beside_it
            for known, new in zip(times[clients], part, strict=True):
                known += new
            print(clients, *(milliseconds(times, 99) for times in part), len(beside_it), flush=True)
        resident = service.resident_mib
    refusals = [took for _, status, took in replies if status in (429, 503)]
    statuses = dict[str, Counter[int]]()
    for path, status, _ in replies:
        statuses.setdefault(path, Counter())[status] += 1
    (alone, asked_alone), (beside, asked_beside) = (
        [milliseconds(part, 99) for part in times[clients]] for clients in (0, CLIENTS)
    )
    return {
        "clients": CLIENTS,
        "seconds_beside": seconds,
        "load": machine_load(),
        "searches": [len(times[clients][0]) for clients in (0, CLIENTS)],
        "quiet_alone_ms": alone,
        "quiet_beside_ms": beside,
        "times": {share: round(beside[share] / alone[share], 2) for share in alone},
        "questions_answered": [len(times[clients][1]) for clients in (0, CLIENTS)],
        "questions_alone_ms": asked_alone,
        "questions_beside_ms": asked_beside,
        "refusals": {"count": len(refusals), **milliseconds(refusals, 99)},
        "statuses": {path: dict(sorted(n.items())) for path, n in sorted(statuses.items())},
        "resident_mib": round(resident, 1),
    }


@script(__doc__)
@click.argument("index", type=PATH, required=False)
@click.option("--requests", default=10_000, help="Number of questions, to measure memory.")
@click.option("--fair", default=0.0, help="Measure fairness, for so many seconds.")
@FAKE
@SEED
@OUT
def main(
    index: Path | None, requests: int, fair: float, fake: bool, seed: int, out: Path | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = index or Path(folder)
        result = fairness(place, fake, fair, seed) if fair else memory(place, fake, requests)
    times = result.get("times", {"p50": 0, "p95": 0})
    finished(result, out, max(times["p50"], times["p95"]) > BOUND)


if __name__ == "__main__":
    main()
