"""The driver: python -m eval.bench.peers --help"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from eval.bench.peers import report
from eval.bench.peers.corpus import documents, texts
from eval.bench.peers.measure import NOTES, PHASES, Measured, Run
from eval.bench.peers.system import PEERS, check, read_texts, write_texts
from rag import build
from rag.errors import RagError
from rag.evaluation.gold import read_jsonl, sample
from rag.evaluation.runs import commit
from rag.settings import Settings

GOLD = Path(__file__).parents[2] / "gold" / "seeds.jsonl"
PACKAGES = (
    "torch transformers sentence-transformers faiss-cpu haystack-ai transformers-haystack "
    "sentence-transformers-haystack "
    "txtai llama-index-core llama-index-embeddings-huggingface"
).split()


def prepare(work: Path) -> None:
    """Writes the passages that every system indexes, and their numbers of word-pieces, to
    texts.json and tokens.json."""
    work.mkdir(parents=True, exist_ok=True)
    if (work / "tokens.json").exists():
        return
    count = build.embedder(Settings()).count_tokens
    passages = texts(documents(count))
    write_texts(work / "texts.json", passages)
    (work / "tokens.json").write_text(
        json.dumps(sum(count([passage.text for passage in passages])))
    )


def command(asked: argparse.Namespace) -> str:
    """The arguments of a phase, without folders."""
    numbers = " ".join(
        f"--{name} {getattr(asked, name)}" for name in ("questions", "timed", "rounds", "threads")
    )
    return f"python -m eval.bench.peers --work FOLDER --systems {' '.join(asked.systems)} {numbers}"


def result(run: Run, command: str) -> dict[str, Any]:
    """Facts, figures and ratios of the phases that have run."""
    measured = report.read(run.work, NOTES)
    passages = {text.id: (text.document, text.text) for text in read_texts(run.work / "texts.json")}
    tokens = json.loads((run.work / "tokens.json").read_text())
    figures = report.figures(measured, run.questions, passages)
    for found in figures.values():
        if "ingest" in found:
            found["ingest"]["tokens_per_second"] = round(tokens / found["ingest"]["seconds"])
    answerable = sum(bool(question.answers) for question in run.questions)
    facts = {
        "commit": commit(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": _machine(),
        "threads": run.threads,
        "versions": _versions(),
        "load": {phase: found["load"] for phase, found in measured.items()},
        "passages": len(passages),
        "tokens": tokens,
        "answerable": answerable,
        "unanswerable": len(run.questions) - answerable,
    }
    return {
        "facts": facts,
        "figures": figures,
        "ratios": report.ratios(measured),
        "answers": _answers(run, measured),
    }


def _answers(run: Run, measured: Mapping[str, Measured]) -> list[dict[str, Any]]:
    """The answer of each system to each question, and its best guess."""
    found = measured.get("quality", {"rows": {}})["rows"]
    return [
        {
            "id": question.id,
            **{
                name: [rows[i]["text"], rows[i]["guess"]]
                for name, rows in found.items()
                if i < len(rows)
            },
        }
        for i, question in enumerate(run.questions)
    ]


def _machine() -> str:
    names = (
        re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
        if os.path.exists("/proc/cpuinfo")
        else []
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    name = names[0] if names else platform.machine()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {platform.python_version()}"


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write(made: Mapping[str, Any], out: Path) -> None:
    text = json.dumps(made, indent=1, ensure_ascii=False)
    string = r'(null|"(?:[^"\\]|\\.)*")'
    text = re.sub(rf"\[\s+{string},\s+{string}\s+\]", r"[\1, \2]", text)  # one answer per line
    (out / "peers.json").write_text(text + "\n")
    (out / "peers.md").write_text(report.markdown(made))


def options(given: Sequence[str] | None = None) -> argparse.Namespace:
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
    return parser.parse_args(given)


def main() -> None:
    asked = options()
    try:
        check(asked.systems)
        prepare(asked.work)
        questions = sample(read_jsonl(GOLD), asked.questions)
        run = Run(asked.work, asked.systems, questions, asked.timed, asked.rounds, asked.threads)
        for phase in asked.phases:
            begun = time.perf_counter()
            PHASES[phase](run)
            print(f"{phase}: {time.perf_counter() - begun:.0f} s", file=sys.stderr)
        write(result(run, command(asked)), asked.out)
    except RagError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
