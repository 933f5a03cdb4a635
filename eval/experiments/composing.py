"""Measures answers to comparisons, questions in two parts, and questions for a number or a code.

python -m eval.experiments.composing --cache DIR [--half HALF] [--set NAME] [--without RULE]

Sets are comparisons, two-parts and numbered (eval/gold/*.jsonl). The questions of each half have
documents of their own: office, numbered and seeds, or household and mixed. DIR keeps both indexes
and what the readers said, so that it is read once. An answer is "useful" if `usefulness.serves`
says so. Where the documents have only one side or part, it is useful if it has that one with its
name, and so is a refusal that says which one was not found. `read right` counts the questions whose
two sides, or parts, are read as the set says. `--without` switches a rule off.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from eval.experiments.ablations import RULES
from eval.experiments.kept import ingest, kept_engine
from eval.scripts import CACHE, GOLD, NEW_FILE, READER, ROOT, by_half, script
from rag.answering.question_parts import compared_sides, halves
from rag.engine import Engine
from rag.evaluation.gold import Question
from rag.evaluation.set_files import json_lines
from rag.evaluation.usefulness import serves, visible_part
from rag.meaning.words import singular_words
from rag.protocols import Embedder
from rag.query import Query
from rag.settings import Settings
from rag.types import Answer

SETS = ("comparisons", "two-parts", "numbered")
FOLDERS = {
    "fit": (GOLD / "office", GOLD / "numbered", ROOT / "seeds"),
    "report": (GOLD / "household", GOLD / "mixed"),
}
"""The documents of each half."""
_RULES = {
    rule.name: rule
    for rule in RULES
    if rule.name in ("numbers and codes that are asked", "questions are taken apart")
}
_OTHER_WORDS = 2
"""Words that a side may have besides those expected, if they are not the other side's."""


def open_engine(half: str, cache: Path, reader: str) -> Engine:
    """An engine over the documents of a half, which reads through the caches in the folder."""

    def make(settings: Settings, embedder: Embedder) -> None:
        ingest(settings, embedder, FOLDERS[half])

    return kept_engine(cache / half, reader, make)


def ask_row(engine: Engine, row: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to a question, and how it is judged."""
    (answer,) = engine.ask_many([Query(row["question"])])
    return {
        "id": row["id"],
        "set": row["set"],
        "half": row["half"],
        "answerable": bool(row["items"]),
        "judgement": judgement_of(row, answer),
        "read": is_read_right(row),
        "question": row["question"],
        "answer": answer.text,
        "form": answer.form,
        "labels": [piece.label for piece in answer.pieces],
        "confidence": round(answer.confidence, 3),
        "reason": answer.abstention_reason,
    }


def judgement_of(row: Mapping[str, Any], answer: Answer) -> str:
    items = tuple(tuple(item) for item in row["items"])
    wordings = tuple(wording for item in items for wording in item)
    question = Question(
        id=row["id"],
        text=row["question"],
        answers=wordings,
        form="comparison",
        items=items,
        need=len(items),
    )
    judgement = serves(question, visible_part(answer))
    if not row.get("is_half"):
        return judgement
    if answer.text is None:
        says_so = "nothing was found about" in (answer.abstention_reason or "")
        return "useful" if says_so else "refused"
    is_named = any(piece.label for piece in answer.pieces)
    return "partial" if judgement == "useful" and not is_named else judgement


def is_read_right(row: Mapping[str, Any]) -> bool:
    """Whether the sides or parts of the question are those that the set names."""
    if "parts" in row:
        return halves(row["question"]) == tuple(row["parts"])
    sides = compared_sides(row["question"])
    if sides is None or "sides" not in row:
        return False
    named = [singular_words(name) for name in sides.names]
    expected = [singular_words(name) for name in row["sides"]]
    return all(
        mine <= words and len(words - mine) <= _OTHER_WORDS and not words & (theirs - mine)
        for words, mine, theirs in zip(named, expected, expected[::-1], strict=True)
    )


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    by_set = {}
    for name in dict.fromkeys(row["set"] for row in rows):
        of_set = [row for row in rows if row["set"] == name]
        answerable = [row for row in of_set if row["answerable"]]
        rest = [row for row in of_set if not row["answerable"]]
        counts = Counter(row["judgement"] for row in answerable)
        by_set[name] = {
            "answerable": len(answerable),
            **{kind: counts[kind] for kind in ("useful", "partial", "wrong", "refused")},
            "others": len(rest),
            "refused rightly": sum(row["judgement"] == "refused" for row in rest),
            "read right": sum(row["read"] for row in of_set),
        }
    return by_set


@script(__doc__)
@CACHE
@READER
@click.option("--half", default="both", type=click.Choice([*FOLDERS, "both"]), help="Half.")
@click.option("--set", "names", multiple=True, type=click.Choice(SETS), default=SETS, help="Sets.")
@click.option("--without", type=click.Choice(list(_RULES)), help="Switch this rule off.")
@click.option("--into", type=NEW_FILE, help="Write one JSON line a question.")
def main(
    cache: Path,
    reader: str,
    half: str,
    names: Sequence[str],
    without: str | None,
    into: Path | None,
) -> None:
    results = []
    with _RULES[without].switched_off() if without else nullcontext():
        for part in FOLDERS if half == "both" else (half,):
            engine = open_engine(part, cache, reader)
            for name in names:
                for row in json_lines(GOLD / f"{name}.jsonl"):
                    if row["half"] == part:
                        results.append(ask_row(engine, dict(row) | {"set": name}))
            engine.store.close()
    by_half(results, summary, into)


if __name__ == "__main__":
    main()
