"""Compares the answers of both stores: python -m eval.chaos.stores postgresql://… [OUT.json]
[EVERY]

Ingests seeds/ into a folder, moves that index to an empty database with its vectors, asks both
every question of eval/gold/seeds.jsonl (or one in EVERY), and prints JSON: how many questions found
the same passages in the same order, and had the same answer, citations, alternatives and reason.
RAG_* variables set the reader and the rest. Exits with status 1 if less than 99 % agree.
"""

from __future__ import annotations

import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rag import build
from rag.answering.searcher import Query
from rag.engine import Engine
from rag.ingestion.ingest import Ingest
from rag.parsing.files import find
from rag.settings import Settings
from rag.store.migrate import migrate
from rag.types import Answer

ROOT = Path(__file__).parents[2]
QUESTIONS = [
    json.loads(line)["question"]
    for line in (ROOT / "eval/gold/seeds.jsonl").read_text().splitlines()
]
LEAST = 0.99
_AT_ONCE = 8


@contextmanager
def engines(folder: Path, dsn: str) -> Iterator[tuple[Engine, Engine]]:
    """Over seeds/ in `folder`, and over the same index moved to the database; the models are
    shared."""
    here, there = Settings.load(index=folder), Settings.load(store=dsn)
    embedder, reader = build.embedder(here), build.reader(here)
    local, shared = (build.store(settings, embedder, create=True) for settings in (here, there))
    Ingest(local, embedder, here.passage_tokens).run(find([ROOT / "seeds"]))
    migrate(local, shared)
    try:
        yield (
            build.assemble(here, local, embedder, reader),
            build.assemble(there, shared, embedder, reader),
        )
    finally:
        shared.close()
        local.close()


def answers(engine: Engine, questions: Sequence[str]) -> Iterator[Answer]:
    waiting = iter(questions)
    while some := list(itertools.islice(waiting, _AT_ONCE)):
        yield from engine.ask_many([Query(question) for question in some])


def said(answer: Answer) -> dict[str, object]:
    """The visible part of an answer."""
    others = [(other.text, other.citations) for other in answer.alternatives]
    return {
        "answer": answer.text,
        "citations": answer.citations,
        "alternatives": others,
        "abstention_reason": answer.abstention_reason,
    }


def compare(pair: tuple[Engine, Engine], questions: Sequence[str]) -> dict[str, Any]:
    """Counts of agreements, the largest difference of confidence, and the questions that differ."""
    same = dict.fromkeys(
        ["passages", "answer", "citations", "alternatives", "abstention_reason", "everything"], 0
    )
    furthest, answered, different = 0.0, 0, []
    for number, (ours, theirs) in enumerate(
        zip(*(answers(engine, questions) for engine in pair), strict=True)
    ):
        one, other = (
            {"passages": [hit.passage for hit in a.hits], **said(a)} for a in (ours, theirs)
        )
        for name, value in one.items():
            same[name] += value == other[name]
        same["everything"] += one == other
        answered += ours.text is not None
        different += [] if one == other else [questions[number]]
        furthest = max(furthest, abs(ours.confidence - theirs.confidence))
        if number % 50 == 49:
            print(number + 1, same, file=sys.stderr, flush=True)
    asked = {"reader": pair[0].reader.name, "questions": len(questions), "answered": answered}
    return {
        **asked,
        "same": same,
        "largest_difference_of_confidence": round(furthest, 6),
        "different": different,
    }


def main(dsn: str, out: str | None = None, every: str = "1") -> int:
    with tempfile.TemporaryDirectory() as folder, engines(Path(folder), dsn) as pair:
        stats = pair[1].store.stats()
        found = {
            "documents": stats.documents,
            "passages": stats.passages,
            **compare(pair, QUESTIONS[:: int(every)]),
        }
    print(text := json.dumps(found, indent=2))
    if out:
        Path(out).write_text(text + "\n")
    return int(found["same"]["everything"] < LEAST * found["questions"])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
