"""Questions inside a conversation: what the turns before say about the last one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.english.followups import Turn, Understood, understand
from rag.english.noun_phrases import phrases

_MOST_TURNS = 8
"""Turns that are looked at, the newest ones; what was said before them is not referred to
any more.
"""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """A turn: a question as it was typed, and the text of its answer, None if there was none."""

    question: str
    answer: str | None = None


def in_context(
    question: str, turns: Sequence[Exchanged], evidence: Callable[[str], str], longest: int
) -> Understood:
    """The question with what it leaves out filled in from the turns before, oldest first.

    `evidence` gives the text that was found for a question; it tells a person's name from a
    thing's. Turns without text, or of more than `longest` characters, are passed over.
    """
    last: Turn | None = None
    for turn in turns[-_MOST_TURNS:]:
        if not turn.question.strip() or len(turn.question) > longest:
            continue
        meant = understand(turn.question, last).question
        if phrases(meant):  # after "and who?" the talk is still of what was asked before
            last = Turn(meant, turn.answer, evidence(meant))
    return understand(question, last)
