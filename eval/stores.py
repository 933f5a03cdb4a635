"""Whether both stores answer alike: python -m eval.stores postgresql://… [OUT.json] [EVERY]

Ingests seeds/ into a folder, moves that index to an empty database with its vectors, asks both every question of
eval/gold/seeds.jsonl (or one in EVERY), and prints JSON: how many questions found the same passages in the same order, and got
the same answer, citations, alternatives and reason. Exits with 1 if less than 99 % did.
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
from rag.engine import Asked, Engine
from rag.ingest import Ingest
from rag.loading.files import find
from rag.migrate import migrate
from rag.settings import Settings
from rag.types import Answer

ROOT = Path(__file__).parents[1]
QUESTIONS = [json.loads(line)["question"] for line in (ROOT / "eval/gold/seeds.jsonl").read_text().splitlines()]
LEAST = 0.99
_AT_ONCE = 8


@contextmanager
def engines(folder: Path, dsn: str) -> Iterator[tuple[Engine, Engine]]:
    """Over seeds/ in `folder`, and over the same index moved to the database; the models are shared."""
    here, there = Settings.load({}, index=folder), Settings.load({"RAG_STORE": dsn})
    embedder, reader = build.embedder(here), build.reader(here)
    local, shared = build.store(here, embedder, create=True), build.store(there, embedder, create=True)
    Ingest(local, embedder, here.passage_tokens).run(find([ROOT / "seeds"]))
    migrate(local, shared)
    try:
        yield build.assemble(here, local, embedder, reader), build.assemble(there, shared, embedder, reader)
    finally:
        shared.close()
        local.close()


def answers(engine: Engine, questions: Sequence[str]) -> Iterator[Answer]:
    waiting = iter(questions)
    while some := list(itertools.islice(waiting, _AT_ONCE)):
        yield from engine.ask_many([Asked(question) for question in some])


def said(answer: Answer) -> dict[str, object]:
    """What a person gets."""
    others = [(other.text, other.citations) for other in answer.alternatives]
    return {"answer": answer.text, "citations": answer.citations, "alternatives": others, "reason": answer.reason}


def compare(pair: tuple[Engine, Engine], questions: Sequence[str]) -> dict[str, Any]:
    """Counts of what is the same, the largest difference of confidence, and the questions that differ."""
    same = dict.fromkeys(["passages", "answer", "citations", "alternatives", "reason", "everything"], 0)
    furthest, different = 0.0, []
    for number, (ours, theirs) in enumerate(zip(*(answers(engine, questions) for engine in pair), strict=True)):
        one, other = ({"passages": [hit.passage for hit in a.hits], **said(a)} for a in (ours, theirs))
        for name, value in one.items():
            same[name] += value == other[name]
        same["everything"] += one == other
        different += [] if one == other else [questions[number]]
        furthest = max(furthest, abs(ours.confidence - theirs.confidence))
    answered = {"questions": len(questions), "same": same, "largest_difference_of_confidence": round(furthest, 6)}
    return {**answered, "different": different}


def main(dsn: str, out: str | None = None, every: str = "1") -> int:
    with tempfile.TemporaryDirectory() as folder, engines(Path(folder), dsn) as pair:
        stats = pair[1].store.stats()
        found = {"documents": stats.documents, "passages": stats.passages, **compare(pair, QUESTIONS[:: int(every)])}
    print(text := json.dumps(found, indent=2))
    if out:
        Path(out).write_text(text + "\n")
    return int(found["same"]["everything"] < LEAST * found["questions"])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
