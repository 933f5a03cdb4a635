"""Explains the last answer in words and numbers."""

from __future__ import annotations

from rag.repl.screen import Screen
from rag.types import Answer, Hit


def why(screen: Screen, answer: Answer) -> None:
    """Print the explanation, then ranks and scores of the passages that were read, and the time of
    each stage.
    """
    from rag.answering.explain import explain  # here, because it loads the date parser

    for line in explain(answer):
        screen.note(line)
    screen.gap()
    rows = [
        ("rank", "score", "meaning", "words", "passage"),
        *(_row(number, hit) for number, hit in enumerate(answer.hits, 1)),
    ]
    screen.table(rows, ["cyan", "", "", "", "dim"])
    spent = ", ".join(
        f"{stage} {seconds * 1000:.0f} ms" for stage, seconds in answer.timings.items()
    )
    screen.note(spent)


def _row(number: int, hit: Hit) -> tuple[str, ...]:
    passage = hit.passage
    where = passage.heading.split(" > ")[-1] or passage.title
    meaning, words = (
        _leg(hit.dense, hit.dense_rank, ".2f"),
        _leg(hit.lexical, hit.lexical_rank, ".1f"),
    )
    return (str(number), f"{hit.score:.3f}", meaning, words, f"{passage.document_id} > {where}")


def _leg(score: float, rank: int | None, form: str) -> str:
    return f"{score:{form}} (#{rank})" if rank else f"{score:{form}}"
