"""The driver: python -m eval.bench.peers [SYSTEM]... --work FOLDER

Each phase stores its measurements in the work folder, from which the report is made.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import click

from eval.bench.peers import report, systems
from eval.bench.peers.report import Measured
from eval.bench.peers.systems import PEERS
from eval.scripts import GOLD, PATH, ROOT, NewPath, load, machine, script
from rag import build
from rag.errors import RagError
from rag.evaluation.gold import Question, read_jsonl, sample
from rag.evaluation.runs import commit
from rag.models.registry import EMBEDDER, embedder_path, reader_path
from rag.settings import Settings

PACKAGES = (
    "torch transformers sentence-transformers faiss-cpu haystack-ai transformers-haystack "
    "sentence-transformers-haystack txtai"
).split()
BLOCKS = {"ask": 5, "search": 20}
"""Questions in a block."""
WARM_UP = ["What are these documents about?"]


@dataclass(frozen=True, slots=True)
class Run:
    """`folder` contains texts.json, the indexes and the phases' files."""

    folder: Path
    systems: Sequence[str]
    questions: Sequence[Question]
    rounds: int
    threads: int

    def index(self, name: str) -> Path:
        """That of a system; "ours-fp32" and "ours-int8" use the index of "ours"."""
        return self.folder / f"index-{name.partition('-')[0]}"


def rotated(names: Sequence[str], turn: int) -> list[str]:
    """The systems, in another order each turn."""
    shift = turn % len(names)
    return [*names[shift:], *names[:shift]]


def prepare(folder: Path) -> None:
    """Write the passages that every system indexes, and their number of word-pieces, to texts.json
    and tokens.json, and both models in 32 bits to folders, since no other library opens 8 bits.
    """
    from rag.models.bert import write_fp32

    if (folder / "tokens.json").exists():
        return
    write_fp32(Path(embedder_path(EMBEDDER)[0]), folder / systems.EMBEDDER_FOLDER)
    write_fp32(Path(reader_path("fast")[0]), folder / systems.READER_FOLDER)
    count = build.embedder(Settings()).count_tokens
    passages = [passage for _, passages in systems.documents(count) for passage in passages]
    texts = [(f"{p.document_id}#{p.start}", p.document_id, p.in_context) for p in passages]
    (folder / "texts.json").write_text(json.dumps(texts, ensure_ascii=False))
    (folder / "tokens.json").write_text(json.dumps(sum(count([text for _, _, text in texts]))))


# Phases


def ingest(run: Run) -> Measured:
    """Ingest into a separate index per system, `rounds` times; the last one stays."""
    names = [name for name in run.systems if "-" not in name]
    rows: dict[str, list[Any]] = {name: [] for name in names}
    texts = json.loads((run.folder / "texts.json").read_text())
    for name in [name for turn in range(run.rounds) for name in rotated(names, turn)]:
        shutil.rmtree(run.index(name), ignore_errors=True)
        with systems.process(name, run.threads, run.folder) as system:
            rows[name].append(system(systems.ingest, texts, run.index(name)))
    return {"rows": rows}


def in_blocks(run: Run, phase: str) -> Measured:
    """All questions, one at a time. All systems process one block before the next begins."""
    command = {"ask": systems.ask, "search": systems.search}[phase]
    texts = [question.text for question in run.questions]
    size = BLOCKS[phase]
    measured: Measured = {key: {name: [] for name in run.systems} for key in ("rows", "blocks")}
    with ExitStack() as stack:
        running = {}
        for name in run.systems:
            process = systems.process(name, run.threads, run.folder)
            running[name] = stack.enter_context(process)
            running[name](systems.open_index, run.index(name))
            running[name](command, WARM_UP)  # a first run is slower than all others
        for turn, start in enumerate(range(0, len(texts), size)):
            for name in rotated(run.systems, turn):
                block = running[name](command, texts[start : start + size])
                measured["rows"][name] += block.pop("rows")
                measured["blocks"][name].append(block)
    return measured


# The result


def result(run: Run, command: str) -> dict[str, Any]:
    """Facts, figures and ratios of the phases that have run, and each system's answers."""
    measured = report.read(run.folder)
    texts = json.loads((run.folder / "texts.json").read_text())
    tokens = json.loads((run.folder / "tokens.json").read_text())
    passages = {name: (document, text) for name, document, text in texts}
    answerable = sum(bool(question.answers) for question in run.questions)
    installed = {package.name: package.version for package in distributions()}
    facts = {
        "commit": commit(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "threads": run.threads,
        "versions": {name: installed[name] for name in PACKAGES if name in installed},
        "load": {phase: figures["load"] for phase, figures in measured.items()},
        "passages": len(passages),
        "tokens": tokens,
        "answerable": answerable,
        "unanswerable": len(run.questions) - answerable,
    }
    rows = measured.get("ask", {}).get("rows", {})
    answers = [
        {"id": q.id, **{n: [r[i]["text"], r[i]["guess"]] for n, r in rows.items() if i < len(r)}}
        for i, q in enumerate(run.questions)
    ]
    figures = report.figures(measured, run.questions, passages, tokens)
    ratios = report.ratios(measured)
    return {"facts": facts, "figures": figures, "ratios": ratios, "answers": answers}


def write(content: Mapping[str, Any], folder: Path) -> None:
    """peers.md, and peers.json with one line per question."""
    head = json.dumps({**content, "answers": []}, indent=1, ensure_ascii=False)
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in content["answers"])
    text = head.removesuffix("[]\n}") + f"[\n{rows}\n]\n}}\n"
    (folder / "peers.json").write_text(text)
    (folder / "peers.md").write_text(report.markdown(content))


@script(__doc__)
@click.argument("names", metavar="[SYSTEM]...", type=click.Choice(list(PEERS)), nargs=-1)
@click.option(
    "--work", "folder", type=PATH, required=True, help="Folder for indexes and measurements."
)
@click.option("--phase", "phases", type=click.Choice(report.PHASES), multiple=True,
              default=report.PHASES, help="Repeatable.")  # fmt: skip
@click.option("--report-only", is_flag=True, help="Measure nothing.")
@click.option("--questions", default=200, help="Ask so many of the gold questions on seeds/.")
@click.option("--rounds", default=3, help="Ingest so many times.")
@click.option("--threads", default=2, help="Threads of each system's models and tokenizers.")
@click.option(
    "--out",
    type=NewPath(is_folder=True),
    default=ROOT / "eval/results",
    help="Folder of peers.json and peers.md.",
)
def main(
    names: tuple[str, ...], folder: Path, phases: tuple[str, ...], report_only: bool, out: Path,
    **numbers: int,
) -> None:  # fmt: skip
    names = names or tuple(PEERS)
    os.environ |= systems.ENVIRONMENT | dict.fromkeys(systems.THREADS, str(numbers["threads"]))
    command = f"python -m eval.bench.peers {' '.join(names)} --work FOLDER"
    command += "".join(f" --{name} {number}" for name, number in numbers.items())
    try:
        systems.check(names)
        prepare(folder)
        questions = sample(read_jsonl(GOLD / "seeds.jsonl"), numbers["questions"])
        run = Run(folder, names, questions, numbers["rounds"], numbers["threads"])
        for phase in () if report_only else phases:
            started = time.perf_counter()
            load_before = load()
            measured = ingest(run) if phase == "ingest" else in_blocks(run, phase)
            measured["load"] = [load_before, load()]
            (run.folder / f"{phase}.json").write_text(json.dumps(measured, ensure_ascii=False))
            print(f"{phase}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
        write(result(run, command), out)
    except RagError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
