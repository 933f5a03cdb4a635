"""Follow-up questions: fill in the last question from the turns before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.meaning.followups import PreviousTurn, Rewrite, understand
from rag.meaning.noun_phrases import phrases

_MOST_TURNS = 8
"""Number of turns to consider, newest first."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One turn: the question as typed, the text of its answer, or None, and the ids of the
    documents that it cites."""

    question: str
    answer: str | None = None
    documents: tuple[str, ...] = ()


def preferred(question: str, meant: Rewrite, turns: Sequence[Exchanged]) -> tuple[str, ...]:
    """The documents that a follow-up prefers: those of the answer before."""
    follows = bool(turns) and meant.question != question.strip()
    return turns[-1].documents if follows else ()


def in_context(
    question: str, turns: Sequence[Exchanged], evidence: Callable[[str], str], longest: int
) -> Rewrite:
    """The question with omitted parts filled in from earlier turns, oldest first.

    `evidence` returns the text retrieved for a question, which helps to tell people from things.
    Turns without text, or longer than `longest` characters, are skipped.
    """
    last: PreviousTurn | None = None
    for turn in turns[-_MOST_TURNS:]:
        if not turn.question.strip() or len(turn.question) > longest:
            continue
        meant = understand(turn.question, last).question
        if phrases(meant):  # after "and who?" the topic is still the one before
            last = PreviousTurn(meant, turn.answer, evidence(meant))
    return understand(question, last)
