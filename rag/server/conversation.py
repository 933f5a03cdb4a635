"""Completes a follow-up question from the earlier turns that a client sends with it. At the prompt
and in Python, `rag.repl.conversation` remembers the turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.answering.searcher import check_question
from rag.meaning.followups import PreviousTurn, names_something, understand
from rag.settings import Settings

_MOST_TURNS = 8
"""Number of turns to consider, newest first."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One turn: the question as typed, the text of its answer, or None, and the ids of the
    documents that it cites."""

    question: str
    answer: str | None = None
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Understood:
    """A completed question. `note` says if it may refer to the last turn but is asked as typed;
    `preferred` are the documents of the last answer, if it follows up on that.
    """

    question: str
    note: str = ""
    preferred: tuple[str, ...] = ()


def in_context(question: str, turns: Sequence[Exchanged]) -> Understood:
    """The question understood after earlier turns, oldest first. Raises InputError if it is empty
    or too long.

    Turns without a question, or with one that is too long, are skipped.
    """
    question = check_question(question, Settings.max_question)
    last: PreviousTurn | None = None
    for turn in turns[-_MOST_TURNS:]:
        if not turn.question.strip() or len(turn.question) > Settings.max_question:
            continue
        complete = understand(turn.question, last).question
        if names_something(complete):
            last = PreviousTurn(complete, turn.answer)
    rewrite = understand(question, last)
    preferred = turns[-1].documents if turns and rewrite.is_about_the_last else ()
    return Understood(rewrite.question, rewrite.note, preferred)
