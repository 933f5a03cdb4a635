"""The cost of waiting threads on a busy machine: python -m eval.bench.busy --out
eval/results/busy.json

Reads 8 passages with the shipped reader, in one process per way in which OpenMP threads may wait,
alone and beside processes that keep every core busy. The ways take turns, so that a shared machine
disturbs all alike. Figures are median milliseconds of wall-clock and CPU time, also as ratios to
"rag", the setting of `rag.models.threads`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rag.models.threads import available_cores

SPINNING = {"GOMP_SPINCOUNT": "300000"}
"""libgomp's own default, set explicitly so that rag does not change it."""
WAYS: dict[str, dict[str, str]] = {
    "rag": {},
    "libgomp's default": SPINNING,
    "KMP_BLOCKTIME=0": {**SPINNING, "KMP_BLOCKTIME": "0"},
    "GOMP_SPINCOUNT=0": {"GOMP_SPINCOUNT": "0"},
    "OMP_WAIT_POLICY=ACTIVE": {"OMP_WAIT_POLICY": "ACTIVE"},
}
_VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME", "OMP_NUM_THREADS")
_BUSY = "while True: pass"
_QUESTION = "When does the lease of the second floor end?"
_TEXT = (
    "The second floor was let to the museum in the spring, after two years of talks with the city. "
    "Its lease ends on 31 May 2027 unless both sides agree to extend it by letter before the year "
    "is out. "
    "Rent is due on the first working day of each month, and the deposit is held in an account of "
    "its own. "
)


def read(readings: int, passages: int) -> dict[str, float]:
    """Median milliseconds of wall-clock and CPU time for one reading, in this process."""
    from rag import build
    from rag.settings import Settings
    from rag.types import Hit, Passage

    text = _TEXT * 2
    passages_read = [
        Passage(f"floor-{n}.md", 0, len(text), text, "Leases", "") for n in range(passages)
    ]
    hits = [Hit(passage, 0.9, 0.5, 1.0) for passage in passages_read]
    reader = build.reader(Settings())
    reader.read(_QUESTION, hits)
    wall, processor = [], []
    for _ in range(readings):
        begun, computed = time.perf_counter(), time.process_time()
        reader.read(_QUESTION, hits)
        wall.append(1000 * (time.perf_counter() - begun))
        processor.append(1000 * (time.process_time() - computed))
    return {"wall_ms": statistics.median(wall), "cpu_ms": statistics.median(processor)}


@contextmanager
def busy(processes: int) -> Iterator[None]:
    started = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def measure(rounds: int, readings: int, passages: int, beside: int) -> dict[str, Any]:
    """Medians over rounds for each way, alone and beside `beside` busy processes, and both as
    ratios to "rag"."""
    found: dict[str, dict[str, list[dict[str, float]]]] = {
        way: {"alone": [], "busy": []} for way in WAYS
    }
    for number in range(rounds):
        for situation, processes in (("alone", 0), ("busy", beside)):
            for way in WAYS:
                with busy(processes):
                    found[way][situation].append(_in_a_process(WAYS[way], readings, passages))
                print(
                    f"round {number + 1}, {situation}, {way}: {found[way][situation][-1]}",
                    file=sys.stderr,
                )
    medians = {
        way: {place: _median(runs) for place, runs in places.items()}
        for way, places in found.items()
    }
    for places in medians.values():
        for place, figures in places.items():
            ours = medians["rag"][place]
            figures |= {
                f"{name}_ratio": round(figures[name] / ours[name], 2)
                for name in ("wall_ms", "cpu_ms")
            }
        places["busy"]["cpu_growth"] = round(
            places["busy"]["cpu_ms"] / places["alone"]["cpu_ms"], 2
        )
    return medians


def _in_a_process(variables: dict[str, str], readings: int, passages: int) -> dict[str, float]:
    clean = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    command = [
        sys.executable,
        "-m",
        "eval.bench.busy",
        "--read",
        str(readings),
        "--passages",
        str(passages),
    ]
    done = subprocess.run(
        command, env=clean | variables, capture_output=True, text=True, check=True
    )
    made: dict[str, float] = json.loads(done.stdout)
    return made


def _median(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(run[name] for run in runs), 1) for name in runs[0]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--readings", type=int, default=6, help="timed readings in a process")
    parser.add_argument("--passages", type=int, default=8)
    parser.add_argument(
        "--beside",
        type=int,
        default=available_cores(),
        help="busy processes; by default one a core",
    )
    parser.add_argument("--read", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if arguments.read:
        print(json.dumps(read(arguments.read, arguments.passages)))
        return
    facts = {
        "cores": available_cores(),
        "beside": arguments.beside,
        "load_before": round(os.getloadavg()[0], 2),
    }
    ways = measure(arguments.rounds, arguments.readings, arguments.passages, arguments.beside)
    made = {**facts, "load_after": round(os.getloadavg()[0], 2), "ways": ways}
    print(json.dumps(made, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
