"""What a flood from one key costs another key: python -m eval.chaos.fair --out
eval/results/fair.json

Runs a service in a process of its own, on the tests' small models (with a reader that takes --slow
seconds per batch), or with --real on the shipped ones; loopback only. A quiet key searches now and
then, first alone, then beside --clients clients of a key that floods the service with searches,
questions, batches and uploads. Reports the quiet key's p50 and p95 in both cases, the latency of
refusals, and the number of questions answered per second for one client and for the flood.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.fake_server import process, put_text

_TEXT = "The talks number {0} were led by William Burns in Muscat. The safe of room {0} is in Oslo."
_REFUSED = (429, 503)


@dataclass
class Seen:
    """The clients' record: statuses, and milliseconds by kind."""

    statuses: Counter[int] = field(default_factory=Counter)
    refusals: list[float] = field(default_factory=list)
    answered: int = 0


def ask(client: httpx.Client, seen: Seen, path: str, body: dict[str, Any], questions: int) -> float:
    begun = time.perf_counter()
    try:
        response = client.post(path, json=body)
    except httpx.HTTPError:
        seen.statuses[0] += 1
        return 0.0
    took = 1000 * (time.perf_counter() - begun)
    seen.statuses[response.status_code] += 1
    if response.status_code in _REFUSED:
        seen.refusals.append(took)
    elif response.status_code == 200:
        seen.answered += questions
    return took


def flood(client: httpx.Client, seen: Seen, chance: random.Random) -> None:
    number = chance.randrange(10_000)
    question = f"Who led the talks number {number}?"
    kinds: list[Callable[[], float]] = [
        lambda: ask(client, seen, "/v1/search", {"question": question}, 0),
        lambda: ask(client, seen, "/v1/ask", {"question": question}, 1),
        lambda: ask(
            client, seen, "/v1/ask/batch", {"questions": [f"{question} {n}" for n in range(8)]}, 8
        ),
        lambda: ask(
            client,
            seen,
            "/v1/documents",
            {"name": f"{number % 20}.txt", "text": _TEXT.format(number)},
            0,
        ),
    ]
    chance.choices(kinds, [3, 5, 2, 1])[0]()


def quiet(url: str, key: str, seconds: float, pause: float) -> list[float]:
    """Milliseconds of its searches."""
    seen, until = Seen(), time.monotonic() + seconds
    found: list[float] = []
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as client:
        while time.monotonic() < until:
            question = {"question": f"Where is the safe of room {len(found)}?"}
            found.append(ask(client, seen, "/v1/search", question, 0))
            time.sleep(pause)
    if set(seen.statuses) != {200}:
        raise RuntimeError(f"the quiet key met {dict(seen.statuses)}")
    return found[1:]  # the first one connects


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        keys = keys_of(Settings(index=Path(folder)))
        _, calm = keys.add("quiet", "read")
        _, loud = keys.add("loud", "write")
        environment = {"TEST_SLOW": str(arguments.slow), "RAG_RATE": "0"}
        with process(Path(folder), not arguments.real, **environment) as (_, client):
            clients = [client_of(client, loud) for _ in range(arguments.clients)]
            for number in range(20):
                put_text(clients[0], f"{number}.txt", _TEXT.format(number))
            spawn = multiprocessing.get_context("spawn")
            # a process of its own, so that it does not wait for the threads of the flood
            with ProcessPoolExecutor(1, mp_context=spawn) as calm_process:

                def patiently(seconds: float) -> list[float]:
                    asked = (str(client.base_url), calm, seconds, arguments.pause)
                    return calm_process.submit(quiet, *asked).result()

                patiently(1)
                alone = patiently(arguments.seconds / 2)
                single = flooded(clients[:1], arguments.seconds / 2)[0]
                together, beside = flooded(
                    clients, arguments.seconds, lambda: patiently(arguments.seconds)
                )
            for one in clients:
                one.close()
    goodput = together.answered / arguments.seconds, single.answered / (arguments.seconds / 2)
    return {
        "clients": arguments.clients,
        "load": round(os.getloadavg()[0], 1),
        "quiet_alone_ms": percentiles(alone),
        "quiet_beside_ms": percentiles(beside),
        "times_p95": round(percentiles(beside)["p95"] / percentiles(alone)["p95"], 2),
        "refusals": {"count": len(together.refusals), **percentiles(together.refusals)},
        "statuses": dict(sorted(together.statuses.items())),
        "answers_a_second": round(goodput[0], 2),
        "answers_a_second_of_one_client": round(goodput[1], 2),
    }


def flooded(
    clients: list[httpx.Client], seconds: float, meanwhile: Callable[[], list[float]] = list
) -> tuple[Seen, list[float]]:
    """The results of the flood after this many seconds, and of the measurement beside it."""
    seen, stop = [Seen() for _ in clients], threading.Event()

    def run(client: httpx.Client, own: Seen, number: int) -> None:
        chance = random.Random(number)
        while not stop.is_set():
            flood(client, own, chance)

    threads = [
        threading.Thread(target=run, args=(client, own, n))
        for n, (client, own) in enumerate(zip(clients, seen, strict=True))
    ]
    for thread in threads:
        thread.start()
    begun = time.monotonic()
    found = meanwhile()
    time.sleep(max(0.0, seconds - (time.monotonic() - begun)))
    stop.set()
    for thread in threads:
        thread.join()
    together = Seen()
    for own in seen:
        together.statuses += own.statuses
        together.refusals += own.refusals
        together.answered += own.answered
    return together, found


def client_of(client: httpx.Client, key: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.Client(base_url=client.base_url, headers=headers, timeout=60, trust_env=False)


def percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {"p50": 0.0, "p95": 0.0}
    cuts = (
        statistics.quantiles(values, n=20, method="inclusive") if len(values) > 1 else values * 19
    )
    return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument(
        "--pause", type=float, default=0.2, help="seconds between searches of the quiet key"
    )
    parser.add_argument(
        "--slow", type=float, default=0.1, help="seconds that the small reader takes for a batch"
    )
    parser.add_argument("--real", action="store_true", help="the shipped models")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    made = measure(arguments)
    print(json.dumps(made, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
