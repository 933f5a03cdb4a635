"""Replies to talk, such as "hello" or "What can I ask you?": questions to rag, not to documents.

A reply suggests questions that the index answers (`rag.answering.suggestions`).
`rag.answering.forms` recognises talk.
"""

from __future__ import annotations

from rag.answering.receipts import Asked
from rag.types import TALK, Answer

REPLY = (
    "This is a question to rag, not to your documents. rag answers questions from your documents, "
    "in their own words"
)


def talk_reply(asked: Asked, suggestions: tuple[str, ...]) -> Answer:
    """No answer, with the questions that can be asked instead."""
    return Answer(
        question=asked.question,
        text=None,
        confidence=0.0,
        citations=(),
        alternatives=(),
        hits=(),
        abstention_reason=REPLY,
        timings=asked.timings,
        receipt=asked.receipt(None, ()),
        form=TALK,
        suggestions=suggestions,
    )
