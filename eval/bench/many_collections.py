"""The cost of a collection: python -m eval.bench.many_collections --out
eval/results/many_collections.json

Makes --collections small collections in a service on the tests' small models, opens all, and
reports the resident memory of each beyond the first, the time of the first question to a closed
one, and the memory that remains when all are closed again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from rag.store.local.collections import LocalCollections
from tests.server.fake_server import serving

_TEXT = (
    "The lease of house {0} ends in May 2027. The tenant is Ada Lovelace, who pays 1,{0:03} euros "
    "a month. " * 20
)


def resident_mib() -> float:
    """Memory of this process, which runs the service."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise OSError("there is no VmRSS in /proc/self/status")


def fill(client: httpx.Client, name: str, number: int) -> None:
    text = {"name": "lease.txt", "text": _TEXT.format(number)}
    client.post("/v1/collections", json={"name": name}).raise_for_status()
    client.post(f"/v1/collections/{name}/documents", json=text).raise_for_status()


def ask(client: httpx.Client, name: str) -> float:
    begun = time.perf_counter()
    client.post(
        f"/v1/collections/{name}/search", json={"question": "When does the lease end?"}
    ).raise_for_status()
    return 1000 * (time.perf_counter() - begun)


def measure(count: int) -> dict[str, Any]:
    names = [f"house-{number}" for number in range(count)]
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as client:
        for number, name in enumerate(names):
            fill(client, name, number)
        host = client.app_state.collections  # type: ignore[attr-defined]
        host.close_idle(time.monotonic() + 10_000)
        assert len(LocalCollections(Path(folder)).all()) == count
        assert not host.open_names
        before = resident_mib()
        opening = [ask(client, names[0])]
        first = resident_mib()
        opening += [ask(client, name) for name in names[1:]]
        opened = resident_mib()
        again = [ask(client, name) for name in names]
        host.close_idle(time.monotonic() + 10_000)
        return {
            "collections": count,
            "resident_mib_closed": round(before, 1),
            "resident_mib_open": round(opened, 1),
            "mib_a_collection_beyond_the_first": round((opened - first) / max(1, count - 1), 2),
            "first_search_ms_p50": round(statistics.median(opening), 1),
            "search_ms_p50": round(statistics.median(again), 1),
            "resident_mib_closed_again": round(resident_mib(), 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--collections", type=int, default=200)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    made = measure(arguments.collections)
    print(json.dumps(made, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
