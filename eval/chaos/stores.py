"""Compares the answers of both stores: python -m eval.chaos.stores postgresql://… [--every N]

Ingests seeds/ into a folder, moves that index to an empty database with its vectors, asks both
every question of eval/gold/seeds.jsonl (or one in N), and prints JSON: how many questions found
the same passages in the same order, and had the same answer, citations, alternatives and reason.
RAG_* variables set the reader and the rest. Exits with status 1 if less than 99 % agree.
"""

import itertools
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from eval.scripts import GOLD, OUT, ROOT, finished, script
from rag import build
from rag.engine import Engine
from rag.evaluation.set_files import json_lines
from rag.ingestion.ingest import Ingest
from rag.parsing.files import find
from rag.query import Query
from rag.settings import Settings
from rag.store.migrate import migrate
from rag.types import Answer

QUESTIONS = [row["question"] for row in json_lines(GOLD / "seeds.jsonl")]
MIN_SHARE = 0.99
_AT_ONCE = 8


@contextmanager
def engines(folder: Path, dsn: str) -> Iterator[tuple[Engine, Engine]]:
    """Over seeds/ in `folder`, and over that index moved to the database; with the same models."""
    local_settings = Settings.load(index=folder)
    shared_settings = Settings.load(store=dsn)
    embedder = build.embedder(local_settings)
    reader = build.reader(local_settings)
    local_store, shared_store = (
        build.store(settings, embedder, create=True)
        for settings in (local_settings, shared_settings)
    )
    Ingest(local_store, embedder, local_settings.passage_tokens).run(find([ROOT / "seeds"]))
    migrate(local_store, shared_store)
    try:
        yield (
            build.assemble(local_settings, local_store, embedder, reader),
            build.assemble(shared_settings, shared_store, embedder, reader),
        )
    finally:
        shared_store.close()
        local_store.close()


def answers(engine: Engine, questions: Sequence[str]) -> Iterator[Answer]:
    waiting = iter(questions)
    while batch := list(itertools.islice(waiting, _AT_ONCE)):
        yield from engine.ask_many([Query(question) for question in batch])


def parts(answer: Answer) -> dict[str, object]:
    """What both stores should have in common."""
    return {
        "passages": [hit.passage for hit in answer.hits],
        "answer": answer.text,
        "citations": answer.citations,
        "alternatives": [
            (alternative.text, alternative.citations) for alternative in answer.alternatives
        ],
        "abstention_reason": answer.abstention_reason,
    }


def compare(pair: tuple[Engine, Engine], questions: Sequence[str]) -> dict[str, Any]:
    """Counts of agreements, the largest difference of confidence, and the questions that differ."""
    equal_counts: Counter[str] = Counter()
    furthest, answered, differing = 0.0, 0, []
    for question, ours, theirs in zip(
        questions, *(answers(engine, questions) for engine in pair), strict=True
    ):
        our_parts = parts(ours)
        their_parts = parts(theirs)
        equal_counts.update(
            {name: int(value == their_parts[name]) for name, value in our_parts.items()}
        )
        equal_counts["everything"] += our_parts == their_parts
        answered += ours.text is not None
        differing += [] if our_parts == their_parts else [question]
        furthest = max(furthest, abs(ours.confidence - theirs.confidence))
    facts = {"reader": pair[0].reader.name, "questions": len(questions), "answered": answered}
    difference = {"largest_difference_of_confidence": round(furthest, 6), "different": differing}
    return {**facts, "same": equal_counts, **difference}


@script(__doc__)
@click.argument("dsn")
@click.option("--every", "step", default=1, help="Ask one in so many questions.")
@OUT
def main(dsn: str, step: int, out: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder, engines(Path(folder), dsn) as pair:
        stats = pair[1].store.stats()
        counts = {"documents": stats.documents, "passages": stats.passages}
        result = counts | compare(pair, QUESTIONS[::step])
    finished(result, out, result["same"]["everything"] < MIN_SHARE * result["questions"])


if __name__ == "__main__":
    main()
