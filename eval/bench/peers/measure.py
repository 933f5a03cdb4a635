"""The phases of a run. Each stores its measurements in the work folder, where the next run of the
driver continues."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.bench.peers.process import Process
from eval.bench.peers.system import PEERS
from rag.evaluation.gold import Question

Measured = dict[str, Any]
BLOCK, SEARCH_BLOCK, TOGETHER_BLOCK, AT_ONCE = 5, 20, 24, 8


@dataclass(frozen=True, slots=True)
class Run:
    """`work` contains texts.json, the indexes and the phases' files; `timed` is the number of
    questions asked one at a time, and of those searched."""

    work: Path
    systems: Sequence[str]
    questions: Sequence[Question]
    timed: int
    rounds: int
    threads: int

    @property
    def asked(self) -> list[str]:
        return [question.text for question in self.questions]

    @property
    def readers(self) -> list[str]:
        return [name for name in self.systems if PEERS[name].reads]

    @property
    def ingesting(self) -> list[str]:
        """The systems that have an index of their own."""
        return [name for name in self.systems if "-" not in name]

    def index(self, name: str) -> Path:
        return self.work / f"index-{name.partition('-')[0]}"

    def note(self, phase: str, measured: Measured) -> None:
        (self.work / f"{phase}.json").write_text(json.dumps(measured, ensure_ascii=False))


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The systems, in another order each turn."""
    at = turn % len(names)
    return [*names[at:], *names[:at]]


def blocks(asked: Sequence[str], size: int) -> list[Sequence[str]]:
    return [asked[at : at + size] for at in range(0, len(asked), size)]


@contextmanager
def opened(run: Run, names: Sequence[str], measured: Measured) -> Iterator[dict[str, Process]]:
    """One process per system with its index open; stores seconds and memory of the start in
    `measured["start"]`, and the load."""
    measured["load"] = [load(), load()]
    with ExitStack() as stack, (run.work / "workers.log").open("a") as log:
        processes: dict[str, Process] = {}
        for name in names:
            begun = time.perf_counter()
            processes[name] = stack.enter_context(Process(name, run.threads, log.fileno()))
            started = processes[name].do("open", folder=str(run.index(name)))
            measured.setdefault("start", {})[name] = started | {
                "ready": time.perf_counter() - begun
            }
        yield processes
        measured["load"][1] = load()


def load() -> float:
    return round(os.getloadavg()[0], 1)


def ingest(run: Run) -> None:
    """Ingest into a separate index per system, `rounds` times; the last one is kept."""
    measured: Measured = {"load": [load()], "rows": {name: [] for name in run.ingesting}}
    with (run.work / "workers.log").open("a") as log:
        for turn in range(run.rounds):
            for name in rotated(run.ingesting, turn):
                shutil.rmtree(run.index(name), ignore_errors=True)
                with Process(name, run.threads, log.fileno()) as process:
                    texts = str(run.work / "texts.json")
                    measured["rows"][name].append(
                        process.do("ingest", texts=texts, folder=str(run.index(name)))
                    )
    measured["load"].append(load())
    run.note("ingest", measured)


def ask(run: Run) -> None:
    """Ask questions one at a time, search, and ask eight at a time, in the same processes."""
    started: Measured = {}
    with opened(run, run.systems, started) as processes:
        readers = {name: processes[name] for name in run.readers}
        for process in readers.values():
            process.do("ask", questions=run.asked[-2:])  # a first run is slower than all others
        first, second = run.timed, 2 * run.timed  # none twice: ours caches questions' vectors
        _by_block(run, "alone", started, readers, blocks(run.asked[:first], BLOCK), "ask")
        started["memory"] = {name: process.do("memory") for name, process in processes.items()}
        started["first"] = first
        searched = blocks(run.asked[first:second], SEARCH_BLOCK)
        _by_block(run, "search", started, processes, searched, "search")
        together = blocks(run.asked[second:], TOGETHER_BLOCK)[: run.rounds]
        _by_block(run, "together", started, readers, together, "together", threads=AT_ONCE)


def _by_block(
    run: Run,
    phase: str,
    started: Measured,
    processes: Mapping[str, Process],
    asked: Sequence[Sequence[str]],
    what: str,
    **options: Any,
) -> None:
    """All systems process one block before the next begins. Stored after each, so that an
    interrupted run keeps its results."""
    measured: Measured = {key: {name: [] for name in processes} for key in ("rows", "blocks")}
    for turn, block in enumerate(asked):
        for name in rotated(list(processes), turn):
            reply = processes[name].do(what, questions=block, **options)
            measured["rows"][name] += reply.pop("rows")
            measured["blocks"][name].append(reply)
        started["load"][1] = load()
        run.note(phase, started | measured)


def quality(run: Run) -> None:
    """The answer of each system to all questions, one block at a time; an interrupted phase
    continues."""
    measured = _read(run.work / "quality.json")
    rows = {name: measured.get("rows", {}).get(name, []) for name in run.readers}
    left = {
        name: blocks(run.asked[len(found) :], BLOCK)
        for name, found in rows.items()
        if len(found) < len(run.asked)
    }
    with opened(run, list(left), measured) as processes:
        for turn in range(max(map(len, left.values()), default=0)):
            for name in left:
                if turn < len(left[name]):
                    rows[name] += processes[name].do("ask", questions=left[name][turn])["rows"]
            run.note("quality", measured | {"rows": rows})


def _read(path: Path) -> Measured:
    """The stored content, or an empty result."""
    found: Measured = json.loads(path.read_text()) if path.exists() else {}
    return found


PHASES = {"ingest": ingest, "ask": ask, "quality": quality}
NOTES = ("ingest", "search", "alone", "together", "quality")
"""Paths of the phases' files."""
