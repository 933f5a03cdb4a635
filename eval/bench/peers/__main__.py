"""The driver: python -m eval.bench.peers --help

Each phase stores its measurements in the work folder, where the next run continues.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from eval.bench.peers import report
from eval.bench.peers.report import AT_ONCE, TOGETHER_BLOCK, Measured
from eval.bench.peers.systems import PEERS, check, documents
from eval.bench.peers.worker import Figures, process
from rag import build
from rag.errors import RagError
from rag.evaluation.gold import Question, read_jsonl, sample
from rag.evaluation.runs import commit
from rag.models.bert import load_weights
from rag.models.registry import reader_path
from rag.settings import Settings

GOLD = Path(__file__).parents[2] / "gold" / "seeds.jsonl"
PACKAGES = (
    "torch transformers sentence-transformers faiss-cpu haystack-ai transformers-haystack "
    "sentence-transformers-haystack txtai llama-index-core llama-index-embeddings-huggingface"
).split()
BLOCK, SEARCH_BLOCK = 5, 20
WEIGHTS = "model.safetensors"


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
    def readers(self) -> list[str]:
        return [name for name in self.systems if PEERS[name].reads]

    def index(self, name: str) -> Path:
        """That of a system; "ours-fp32" uses the index of "ours"."""
        return self.work / f"index-{name.partition('-')[0]}"

    def blocks(self, first: int, end: int, size: int) -> list[list[str]]:
        """The questions from `first` to `end` in blocks."""
        texts = [question.text for question in self.questions[first:end]]
        return [texts[start : start + size] for start in range(0, len(texts), size)]

    def save(self, phase: str, measured: Measured) -> None:
        (self.work / f"{phase}.json").write_text(json.dumps(measured, ensure_ascii=False))


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The systems, in another order each turn."""
    first = turn % len(names)
    return [*names[first:], *names[:first]]


def load() -> float:
    return round(os.getloadavg()[0], 1)


def prepare(work: Path) -> None:
    """Write the passages that every system indexes, and their number of word-pieces, to texts.json
    and tokens.json, and the reader in 32 bits to reader/, since no other library opens 8 bits."""
    reader, source = work / "reader", Path(reader_path("fast")[0])
    reader.mkdir(parents=True, exist_ok=True)
    if (work / "tokens.json").exists():
        return
    for path in source.glob("*.json"):
        shutil.copy(path, reader)
    weights = load_weights(source / WEIGHTS)
    wide = {name: weight.float().contiguous() for name, weight in weights.items()}
    save_file(wide, reader / WEIGHTS, {"format": "pt"})
    count = build.embedder(Settings()).count_tokens
    passages = [passage for _, passages in documents(count) for passage in passages]
    texts = [(f"{p.document_id}#{p.start}", p.document_id, p.in_context) for p in passages]
    (work / "texts.json").write_text(json.dumps(texts, ensure_ascii=False))
    (work / "tokens.json").write_text(json.dumps(sum(count([text for _, _, text in texts]))))


# Phases


def ingest(run: Run) -> None:
    """Ingest into a separate index per system, `rounds` times; the last one stays."""
    names = [name for name in run.systems if "-" not in name]
    measured: Measured = {"load": [load()], "rows": {name: [] for name in names}}
    with (run.work / "workers.log").open("a") as log:
        for name in [name for turn in range(run.rounds) for name in rotated(names, turn)]:
            shutil.rmtree(run.index(name), ignore_errors=True)
            with process(name, run.threads, run.work / "reader", log.fileno()) as system:
                texts, folder = str(run.work / "texts.json"), str(run.index(name))
                measured["rows"][name].append(system("ingest", texts=texts, folder=folder))
    measured["load"].append(load())
    run.save("ingest", measured)


@contextmanager
def opened(
    run: Run, names: Sequence[str], measured: Measured
) -> Iterator[dict[str, Callable[..., Figures]]]:
    """One process per system with its index open; stores seconds and memory of the start in
    `measured["start"]`, and the load."""
    measured["load"] = [load(), load()]
    with ExitStack() as stack, (run.work / "workers.log").open("a") as log:
        systems = {}
        for name in names:
            started = time.perf_counter()
            worker = process(name, run.threads, run.work / "reader", log.fileno())
            systems[name] = stack.enter_context(worker)
            start = systems[name]("open", folder=str(run.index(name)))
            start["ready"] = time.perf_counter() - started
            measured.setdefault("start", {})[name] = start
        yield systems
        measured["load"][1] = load()


def ask(run: Run) -> None:
    """Ask questions one at a time, search, and ask eight at a time, in the same processes."""
    common: Measured = {}

    def by_block(
        phase: str, systems: Mapping[str, Any], blocks: Any, command: str, **options: Any
    ) -> None:
        """All systems process one block before the next begins. Stored after each, so that an
        interrupted run keeps its results."""
        measured: Measured = {key: {name: [] for name in systems} for key in ("rows", "blocks")}
        for turn, block in enumerate(blocks):
            for name in rotated(list(systems), turn):
                reply = systems[name](command, questions=block, **options)
                measured["rows"][name] += reply.pop("rows")
                measured["blocks"][name].append(reply)
            common["load"][1] = load()
            run.save(phase, common | measured)

    with opened(run, run.systems, common) as systems:
        readers = {name: systems[name] for name in run.readers}
        for system in readers.values():  # a first run is slower than all others
            system("ask", questions=[question.text for question in run.questions[-2:]])
        first, second = run.timed, 2 * run.timed  # none twice: ours caches questions' vectors
        by_block("alone", readers, run.blocks(0, first, BLOCK), "ask")
        common["memory"] = {name: system("memory") for name, system in systems.items()}
        common["first"] = first
        by_block("search", systems, run.blocks(first, second, SEARCH_BLOCK), "search")
        together = run.blocks(second, len(run.questions), TOGETHER_BLOCK)[: run.rounds]
        by_block("together", readers, together, "together", threads=AT_ONCE)


def quality(run: Run) -> None:
    """The answer of each system to all questions, one block at a time; an interrupted phase
    continues."""
    path = run.work / "quality.json"
    measured: Measured = json.loads(path.read_text()) if path.exists() else {}
    rows = measured["rows"] = {n: measured.get("rows", {}).get(n, []) for n in run.readers}
    todo = {n: run.blocks(len(rows[n]), len(run.questions), BLOCK) for n in run.readers}
    with opened(run, [name for name, blocks in todo.items() if blocks], measured) as systems:
        for turn in range(max(map(len, todo.values()), default=0)):
            for name, system in systems.items():
                if turn < len(todo[name]):
                    rows[name] += system("ask", questions=todo[name][turn])["rows"]
            run.save("quality", measured)


PHASES = {"ingest": ingest, "ask": ask, "quality": quality}


# The result


def result(run: Run, command: str) -> dict[str, Any]:
    """Facts, figures and ratios of the phases that have run, and each system's answers."""
    measured = report.read(run.work)
    texts = json.loads((run.work / "texts.json").read_text())
    tokens = json.loads((run.work / "tokens.json").read_text())
    passages = {name: (document, text) for name, document, text in texts}
    answerable = sum(bool(question.answers) for question in run.questions)
    facts = {
        "commit": commit(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": _machine(),
        "threads": run.threads,
        "versions": dict(_versions()),
        "load": {phase: figures["load"] for phase, figures in measured.items()},
        "passages": len(passages),
        "tokens": tokens,
        "answerable": answerable,
        "unanswerable": len(run.questions) - answerable,
    }
    rows = measured.get("quality", {}).get("rows", {})
    answers = [
        {"id": q.id, **{n: [r[i]["text"], r[i]["guess"]] for n, r in rows.items() if i < len(r)}}
        for i, q in enumerate(run.questions)
    ]
    figures = report.figures(measured, run.questions, passages, tokens)
    ratios = report.ratios(measured)
    return {"facts": facts, "figures": figures, "ratios": ratios, "answers": answers}


def _machine() -> str:
    name = platform.machine()
    with suppress(OSError, IndexError):
        name = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def write(content: Mapping[str, Any], out: Path) -> None:
    """peers.md, and peers.json with one line per question."""
    head = json.dumps({**content, "answers": []}, indent=1, ensure_ascii=False)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in content["answers"])
    text = head.removesuffix("[]\n}") + f"[\n{rows}\n]\n}}\n"
    (out / "peers.json").write_text(text)
    (out / "peers.md").write_text(report.markdown(content))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m eval.bench.peers", description="Our system beside others."
    )
    add = parser.add_argument
    add("--systems", nargs="+", default=list(PEERS), help=", ".join(PEERS))
    add("--phases", nargs="*", default=list(PHASES), help="of these; none: only the report")
    add("--questions", type=int, default=200, help="of the gold questions on seeds/")
    add("--timed", type=int, default=60, help="how many of them are timed one at a time")
    add("--threads", type=int, default=2, help="of models and tokenizers, for all systems alike")
    add("--rounds", type=int, default=3, help="of ingest, and blocks asked eight at a time")
    add("--work", type=Path, required=True, help="folder for indexes and what was measured")
    add("--out", type=Path, default=GOLD.parents[1] / "results")
    options = parser.parse_args()
    names = ("questions", "timed", "rounds", "threads")
    numbers = " ".join(f"--{name} {getattr(options, name)}" for name in names)
    systems = " ".join(options.systems)
    command = f"python -m eval.bench.peers --work FOLDER --systems {systems} {numbers}"
    try:
        check(options.systems)
        prepare(options.work)
        questions = sample(read_jsonl(GOLD), options.questions)
        sizes = options.timed, options.rounds, options.threads
        run = Run(options.work, options.systems, questions, *sizes)
        for phase in options.phases:
            started = time.perf_counter()
            PHASES[phase](run)
            print(f"{phase}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        write(result(run, command), options.out)
    except RagError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
