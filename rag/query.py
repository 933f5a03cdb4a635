"""A question with its options, and whether it can be asked."""

from __future__ import annotations

from dataclasses import dataclass

from rag.errors import InputError
from rag.filters import Filter


@dataclass(frozen=True, slots=True)
class Query:
    """A question with its options. `k` is the number of passages; None uses the setting.

    `deadline` is a `time.monotonic` time after which no further passage is read. `form` is one of
    `rag.answering.forms.FORMS`, or "" to choose it from the question. `as_typed` turns spelling
    correction off.
    """

    question: str
    k: int | None = None
    filter: Filter | None = None
    deadline: float | None = None
    form: str = ""
    as_typed: bool = False
    preferred: tuple[str, ...] = ()
    """Document ids that a follow-up prefers: those of the previous answer."""
    others: tuple[tuple[str, float], ...] = ()
    """Other meanings of a follow-up, as in `rag.meaning.followups.Rewrite`."""
    is_talk: bool = False
    """Whether a conversation knows that it is no question to the documents."""
    is_part: bool = False
    """Whether it is a part of a question, which is not taken apart again."""
    alternatives: int | None = None
    """Number of other candidates in the answer; None uses the engine's."""


def check_question(question: str, limit: int) -> str:
    """The question without surrounding space. Raises InputError if it is empty, too long or not
    valid text.
    """
    question = question.strip()
    if not question:
        hint = 'for example: rag ask "When does the lease end?"'
        raise InputError("the question is empty", hint)
    if len(question) > limit:
        message = f"question too long: {len(question):,} characters, limit {limit:,}"
        raise InputError(message, "shorten it")
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            "the question is not valid UTF-8", "check the terminal's encoding"
        ) from error
    return question
