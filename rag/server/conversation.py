"""Follow-up questions: fill in the last question from the turns before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rag.answering.searcher import check_question
from rag.meaning.followups import PreviousTurn, understand
from rag.meaning.noun_phrases import phrases
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
    """A question with omitted parts filled in; `note` names what could not be resolved, `preferred`
    are the documents of the answer before, if it follows up on it.
    """

    question: str
    note: str = ""
    preferred: tuple[str, ...] = ()


def in_context(
    question: str, turns: Sequence[Exchanged], evidence: Callable[[str], str]
) -> Understood:
    """The question understood after earlier turns, oldest first. Raises InputError if it is empty
    or too long.

    `evidence` returns the text retrieved for a question, which helps to tell people from things.
    Turns without a question, or with one that is too long, are skipped.
    """
    question = check_question(question, Settings.max_question)
    last: PreviousTurn | None = None
    for turn in turns[-_MOST_TURNS:]:
        if not turn.question.strip() or len(turn.question) > Settings.max_question:
            continue
        complete = understand(turn.question, last).question
        if phrases(complete):  # after "and who?" the topic is still the one before
            last = PreviousTurn(complete, turn.answer, evidence(complete))
    rewrite = understand(question, last)
    follows = bool(turns) and rewrite.question != question
    return Understood(rewrite.question, rewrite.note, turns[-1].documents if follows else ())
