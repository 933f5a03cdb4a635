"""A system in a process of its own, which measures what it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from eval.bench.peers.systems import PEERS, System, Text

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
}
"""No network access, no telemetry."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
Figures = dict[str, Any]
_systems: list[System] = []


@contextmanager
def process(name: str, threads: int, reader: Path) -> Iterator[Callable[..., Figures]]:
    """A system in a process of its own, as a function of one of the commands below and its
    arguments, which raises BrokenProcessPool if the process has ended. `threads` are for its models
    and tokenizers, and must also be in THREADS of the environment; `reader` is the folder of the
    reader's weights.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), _start, (name, threads, str(reader))) as pool:
        yield lambda command, *arguments: pool.submit(command, *arguments).result()


def _start(name: str, threads: int, reader: str) -> None:
    _systems.append(PEERS[name].system(threads, reader))


# Commands


def ingest(texts: Sequence[Text], folder: Path) -> Figures:
    """Wall-clock and CPU seconds to embed and index the passages, with models loaded."""
    (system,) = _systems
    system.models(reader=False)
    cpu = time.process_time()
    seconds, _ = timed(system.ingest, texts, folder)
    return {"seconds": seconds, "cpu": time.process_time() - cpu}


def open_index(folder: Path) -> None:
    (system,) = _systems
    system.models(reader=True)
    system.open(folder)


def search(questions: Sequence[str]) -> Figures:
    """Seconds and the passages of each question; wall-clock and CPU seconds of all."""
    return _block(questions, lambda system, question: {"passages": system.search(question)})


def ask(questions: Sequence[str]) -> Figures:
    """Seconds, answer and best guess of each question; wall-clock and CPU seconds of all."""
    keys = ("text", "guess")
    return _block(
        questions, lambda system, question: dict(zip(keys, system.ask(question), strict=True))
    )


def _block(questions: Sequence[str], reply: Callable[[System, str], Figures]) -> Figures:
    (system,) = _systems
    cpu, rows = time.process_time(), []
    for question in questions:
        seconds, row = timed(reply, system, question)
        rows.append({"seconds": seconds, **row})
    total = sum(row["seconds"] for row in rows)
    return {"rows": rows, "seconds": total, "cpu": time.process_time() - cpu}


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """(seconds, result)"""
    started = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - started, result
