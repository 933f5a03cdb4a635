"""Why the last answer is what it is: where each passage stood in the search, and how long each stage took."""

from __future__ import annotations

from rag.repl.screen import Screen
from rag.types import Answer, Hit


def why(screen: Screen, answer: Answer) -> None:
    """Ranks and scores of the passages that were read, best first, then the time of each stage."""
    rows = [("rank", "score", "meaning", "words", "passage"), *(_row(number, hit) for number, hit in enumerate(answer.hits, 1))]
    screen.table(rows, ["cyan", "", "", "", "dim"])
    spent = ", ".join(f"{stage} {seconds * 1000:.0f} ms" for stage, seconds in answer.timings.items())
    screen.note(f"confidence {answer.confidence:.2f}; {spent}")
    if answer.reason:
        screen.note(answer.reason)


def _row(number: int, hit: Hit) -> tuple[str, ...]:
    passage = hit.passage
    where = passage.heading.split(" > ")[-1] or passage.title
    meaning, words = _leg(hit.dense, hit.dense_rank, ".2f"), _leg(hit.lexical, hit.lexical_rank, ".1f")
    return (str(number), f"{hit.score:.3f}", meaning, words, f"{passage.document_id} > {where}")


def _leg(score: float, rank: int | None, form: str) -> str:
    return f"{score:{form}} (#{rank})" if rank else f"{score:{form}}"
