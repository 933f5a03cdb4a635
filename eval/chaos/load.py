"""Throughput and latency of the service, and its behaviour under overload. Loopback only; it ends
by itself.

    python -m eval.chaos.load INDEX --out eval/results/serve_load.json
    python -m eval.chaos.load --fake --memory 2000 --requests 200

The first uses the real models; the second, with the tests' small ones, measures the service alone,
as CI does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from eval.chaos.servers import Served, served

GOLD = Path(__file__).parents[1] / "gold" / "seeds.jsonl"
PATIENT = {"RAG_DEADLINE_MS": "110000"}
"""Prevents refusals on a slow machine, which `overload` measures."""


def questions() -> list[str]:
    return [json.loads(line)["question"] for line in GOLD.read_text().splitlines()]


async def ask_all(
    url: str, asked: list[str], concurrency: int
) -> tuple[list[tuple[int, float]], float]:
    """((status, seconds) of each request, seconds for all)."""
    waiting = iter(asked)
    found: list[tuple[int, float]] = []
    limits = httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    async with httpx.AsyncClient(
        base_url=url, timeout=120, limits=limits, trust_env=False
    ) as client:

        async def one() -> None:
            for question in waiting:
                begun = time.perf_counter()
                response = await client.post("/v1/ask", json={"question": question})
                found.append((response.status_code, time.perf_counter() - begun))

        begun = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(concurrency)))
        return found, time.perf_counter() - begun


def summary(found: list[tuple[int, float]], seconds: float) -> dict[str, Any]:
    times = sorted(took for status, took in found if status == 200)
    statuses = {
        str(status): sum(status == one for one, _ in found)
        for status in sorted({status for status, _ in found})
    }
    at = (
        {
            name: round(1000 * times[min(len(times) - 1, int(share * len(times)))], 1)
            for name, share in _SHARES
        }
        if times
        else {}
    )
    return {
        "requests": len(found),
        "statuses": statuses,
        "per_second": round(len(times) / seconds, 2),
        "ms": at,
    }


_SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def throughput(service: Served, number: int, concurrencies: list[int]) -> dict[str, Any]:
    pool = questions()
    measured = {}
    for concurrency in concurrencies:
        asked = [pool[i % len(pool)] for i in range(max(number, concurrency * 2))]
        before = batches(service)
        found = summary(*asyncio.run(ask_all(service.url, asked, concurrency)))
        read, held = (now - then for now, then in zip(batches(service), before, strict=True))
        measured[str(concurrency)] = {**found, "questions_a_batch": round(held / max(1, read), 2)}
        print(concurrency, json.dumps(measured[str(concurrency)]), flush=True)
    return measured


def batches(service: Served) -> tuple[int, int]:
    """The number of batches read, and of questions in them."""
    text = httpx.get(f"{service.url}/metrics", trust_env=False).text
    found = dict(re.findall(r"^rag_batch_questions_(count|sum) ([\d.]+)", text, re.MULTILINE))
    return int(float(found["count"])), int(float(found["sum"]))


def memory(service: Served, number: int) -> dict[str, Any]:
    """Resident memory after each tenth of the requests; the first tenth fills caches."""
    pool = questions()
    held = []
    failed = 0
    for step in range(10):
        asked = [f"{pool[i % len(pool)]} {step} {i}"[-200:] for i in range(number // 10)]
        found, _ = asyncio.run(ask_all(service.url, asked, 16))
        failed += sum(status != 200 for status, _ in found)
        held.append(round(service.resident_mib, 1))
        print("memory", step, held[-1], flush=True)
    return {
        "requests": number,
        "failed": failed,
        "resident_mib": held,
        "growth_after_first_tenth_mib": round(held[-1] - held[0], 1),
    }


def overload(service: Served) -> dict[str, Any]:
    """Send more requests at once than the queue takes: how quickly are the others refused, and is
    the next one answered?
    """
    found, _ = asyncio.run(ask_all(service.url, questions()[:300], 300))
    refused = sorted(took for status, took in found if status == 503)
    after, _ = asyncio.run(ask_all(service.url, ["When was the JCPOA signed?"], 1))
    quick = round(1000 * refused[len(refused) // 2], 1) if refused else None
    statuses = sorted({status for status, _ in found})
    return {
        "at_once": 300,
        "refused": len(refused),
        "refused_ms_p50": quick,
        "statuses": statuses,
        "after": after[0][0],
    }


def measure(index: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    extra = {"TEST_SLOW": "0.1", "RAG_THRESHOLD": "0.15"} if arguments.fake else {}
    result: dict[str, Any] = {
        "models": "fakes; each batch takes 100 ms more" if arguments.fake else "real",
        "cpu": _cpu(),
    }
    with served(index, arguments.fake, **extra, **PATIENT) as service:
        _fill(service)
        result["batched"] = throughput(service, arguments.requests, arguments.at_once)
    with served(index, arguments.fake, **extra, RAG_QUEUE="32") as service:
        result["overload"] = overload(service)
    if arguments.memory:
        with served(
            index, arguments.fake, **(extra | {"TEST_SLOW": "0"} if arguments.fake else {})
        ) as service:
            result["memory"] = memory(service, arguments.memory)
    return result


def _fill(service: Served) -> None:
    """Adds a few documents to an empty index."""
    with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
        if not client.get("/v1/documents?limit=1").json()["total"]:
            files = [
                ("file", (path.name, path.read_bytes()))
                for path in sorted((GOLD.parents[2] / "seeds").glob("*.md"))[:20]
            ]
            client.post("/v1/documents", files=files).raise_for_status()


def _cpu() -> str:
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return f"{platform.processor() or platform.machine()}, {cores} cores, load {load:.1f} at start"


def options(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path, nargs="?")
    parser.add_argument(
        "--fake", action="store_true", help="the tests' small models: what the service itself costs"
    )
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--at-once", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--memory", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    return parser.parse_args(given)


def main() -> None:
    arguments = options()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments.index or Path(folder), arguments)
    text = json.dumps(result, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
