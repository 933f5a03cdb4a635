"""Questions per second of several servers over one database, and their bottleneck:

    python -m eval.bench.servers postgresql://… --out eval/results/servers.json
    python -m eval.bench.servers postgresql://… --random …

The first uses the index of seeds/ and its gold questions, the second the index that
eval.bench.postgres made.

Starts as many `rag serve` as the largest of --servers, each with one thread on one core, and asks
the first 1, 2, … of them from --clients connections each, for --seconds, by /v1/search (without
reading) and /v1/ask. Besides throughput and latency it reports CPU use, in cores: the servers, the
database, the clients, and everything else on this machine.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from eval.bench.postgres import Source
from eval.chaos.programs import Program, cpu_seconds, database_seconds, server
from rag.settings.addresses import shown

GOLD = Path(__file__).parents[1] / "gold/seeds.jsonl"
KINDS = {"search": "/v1/search", "ask": "/v1/ask"}
_FULL = 0.95
"""Share of the machine's cores in use from which they are the bottleneck."""


def questions(random: bool) -> list[str]:
    if random:
        source = Source(2)
        return [source.text(8) for _ in range(500)]
    return [json.loads(line)["question"] for line in GOLD.read_text().splitlines()]


def clocks(servers: Sequence[Program], dsn: str) -> dict[str, float]:
    """CPU seconds so far, by program. "all" is the whole machine."""
    ticks = [int(part) for part in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    everything = (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK")
    computed = sum(one.cpu_seconds for one in servers)
    return {
        "servers": computed,
        "database": database_seconds(dsn),
        "asking": cpu_seconds(os.getpid()),
        "all": everything,
    }


class Asking:
    """Clients that ask one question after another, each of its own server, until they are
    stopped."""

    def __init__(
        self, servers: Sequence[Program], clients: int, path: str, asked: Iterator[str]
    ) -> None:
        self._path, self._asked, self._lock = path, asked, threading.Lock()
        self.times: list[float] = []
        self.failed = 0
        self.counting = False
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(one,))
            for one in servers
            for _ in range(clients)
        ]

    def _run(self, one: Program) -> None:
        with httpx.Client(base_url=one.url, timeout=120, trust_env=False) as client:
            while not self._stop.is_set():
                with self._lock:
                    question = next(self._asked)
                begun = time.perf_counter()
                response = client.post(self._path, json={"question": question, "k": 8})
                took = time.perf_counter() - begun
                if self.counting:
                    self.times.append(took)
                    self.failed += response.status_code != 200

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def measure(
    servers: Sequence[Program],
    dsn: str,
    clients: int,
    seconds: float,
    path: str,
    asked: Iterator[str],
) -> dict[str, Any]:
    with Asking(servers, clients, path, asked) as asking:
        time.sleep(seconds / 5)
        before, begun = clocks(servers, dsn), time.perf_counter()
        asking.counting = True
        time.sleep(seconds)
        asking.counting = False
        lasted, after = time.perf_counter() - begun, clocks(servers, dsn)
    times = np.array(asking.times)
    cores = {name: (after[name] - before[name]) / lasted for name in before}
    cores["others"] = cores["all"] - cores["servers"] - cores["database"] - cores["asking"]
    answered = len(times) - asking.failed
    milliseconds = {
        name: round(1000 * cores[name] * lasted / max(1, answered), 2)
        for name in ("servers", "database", "asking")
    }
    return {
        "servers": len(servers),
        "per_second": round(answered / lasted, 2),
        "failed": asking.failed,
        "p50_ms": round(float(1000 * np.percentile(times, 50)), 1),
        "p95_ms": round(float(1000 * np.percentile(times, 95)), 1),
        "cores_in_use": {name: round(used, 2) for name, used in cores.items()},
        "computing_ms_a_question": milliseconds,
        "bound_by": bound(cores),
    }


def bound(cores: dict[str, float]) -> str:
    """The bottleneck in words. A database that is the bottleneck would leave cores idle, or use
    most of them."""
    there = os.cpu_count() or 1
    if cores["all"] < _FULL * there:
        return "the servers' single threads"
    ours = {name: cores[name] for name in ("servers", "database", "asking")}
    most = max(ours, key=lambda name: ours[name])
    return f"this machine's {there} cores; of what this took, most went into the {most}"


@contextmanager
def running(dsn: str, count: int) -> Iterator[list[Program]]:
    with tempfile.TemporaryDirectory() as folder:
        found = [server(dsn, Path(folder) / f"server{n}", RAG_THREADS="1") for n in range(count)]
        try:
            for one in found:
                one.start()
            for one in found:
                one.wait_until_ready()
            yield found
        finally:
            for one in found:
                one.kill()


def main(given: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("dsn")
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--kinds", nargs="+", choices=sorted(KINDS), default=sorted(KINDS))
    parser.add_argument("--random", action="store_true")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(given)
    turning = itertools.cycle(questions(asked.random))
    found: dict[str, Any] = {
        "cores": os.cpu_count(),
        "clients_a_server": asked.clients,
        "threads_a_server": 1,
    }
    with running(asked.dsn, max(asked.servers)) as servers:
        if not httpx.get(f"{servers[0].url}/v1/documents?limit=1", trust_env=False).json()["total"]:
            sys.exit(
                f"no documents in the index at {shown(asked.dsn)}\n  put some in: RAG_STORE=… rag "
                f"ingest PATH"
            )
        for kind in asked.kinds:
            found[kind] = []
            for count in asked.servers:
                some = servers[:count]
                found[kind].append(
                    measure(some, asked.dsn, asked.clients, asked.seconds, KINDS[kind], turning)
                )
                print(kind, json.dumps(found[kind][-1]), file=sys.stderr, flush=True)
    text = json.dumps(found, indent=2) + "\n"
    asked.out.write_text(text) if asked.out else print(text, end="")
    return int(any(one["failed"] for kind in asked.kinds for one in found[kind]))


if __name__ == "__main__":
    sys.exit(main())
