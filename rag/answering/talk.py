"""Replies to talk, such as "hello" or "What can I ask you?": questions to rag, not to documents.

A reply suggests questions that the index answers. `rag.answering.forms` recognises talk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from rag.answering.receipts import Asked
from rag.protocols import Store
from rag.types import TALK, Answer, Document

REPLY = (
    "This is a question to rag, not to your documents. rag answers questions from your documents, "
    "in their own words"
)
SUGGESTED = 3
"""Number of questions that a reply suggests."""
_PROBABILITY = 0.8
"""Minimum confidence of the answer to a suggested question."""
SUGGESTION_READS = 3
"""Number of passages read for a question that may be suggested."""
_TRIES = 9
_SHARES = (5, 2, 2)
"""Numbers of questions to try: from headings that ask, from headings that name something, and from
titles.
"""
_DOCUMENTS = 12
"""Number of documents, evenly spread, whose headings are looked at."""
_PLAIN = re.compile(r"[^\W_][\w '\u2019,-]{2,80}\??")

_NUMBERED = re.compile(r"\d|\?$")
"""Headings that are dates or numbers, which nobody asks about, or questions already."""

Ask = Callable[[str], Answer]


class Suggestions:
    """Questions that an index answers, one list for each of its generations."""

    def __init__(self) -> None:
        self._found: tuple[int, tuple[str, ...]] = (-1, ())

    def known(self, generation: int) -> tuple[str, ...] | None:
        """The questions of this generation; None if nobody has looked for them."""
        return self._found[1] if self._found[0] == generation else None

    def questions(self, store: Store, ask: Ask) -> tuple[str, ...]:
        """At most `SUGGESTED` questions, made from headings and titles, that `ask` answers with a
        confidence of at least 80 %. At most nine are asked, once per generation; while one call
        looks for them, others get those that it has found. Raises what `ask` does.
        """
        generation = store.stats().generation
        if generation != self._found[0]:
            self._found = generation, ()  # a candidate may itself be talk
            try:
                for question in candidates(store):
                    if len(self._found[1]) < SUGGESTED and _is_answered(ask(question)):
                        self._found = generation, (*self._found[1], question)
            except BaseException:
                self._found = -1, ()  # the next call looks again
                raise
        return self._found[1]


def _is_answered(answer: Answer) -> bool:
    return answer.text is not None and answer.confidence >= _PROBABILITY


def candidates(store: Store) -> Iterator[str]:
    """At most nine questions from the headings and titles of documents all over the index."""
    listed = store.documents()
    chosen = listed[:: max(1, len(listed) // _DOCUMENTS)][:_DOCUMENTS]
    whole = [document for one in chosen if (document := store.document(one.id))]
    headings = {document.id: _headings(document) for document in whole}
    asking = [next((h for h in names if h.endswith("?")), "") for names in headings.values()]
    naming = [
        next((h for h in names if len(h.split()) <= 4 and not _NUMBERED.search(h)), "")
        for names in headings.values()
    ]
    groups = (
        [question for question in asking if question],
        [_about(name) for name in naming if name],
        [f"What is {one.title} about?" for one in whole if _PLAIN.fullmatch(one.title)],
    )
    yield from dict.fromkeys(_shared(groups))


def _about(heading: str) -> str:
    """A question about what follows a heading."""
    if heading.startswith("How to "):
        return f"How do I {heading.removeprefix('How to ')}?"
    return f"What is said about {heading}?"


def _shared(groups: Sequence[Sequence[str]]) -> list[str]:
    """At most `_TRIES` questions in order: the share of each group, then further ones."""
    first = [q for group, share in zip(groups, _SHARES, strict=True) for q in group[:share]]
    further = [q for group, share in zip(groups, _SHARES, strict=True) for q in group[share:]]
    chosen = {*first, *further[: max(0, _TRIES - len(first))]}
    return [question for group in groups for question in group if question in chosen][:_TRIES]


def _headings(document: Document) -> list[str]:
    """The headings that consist of plain words, without the title."""
    names = (block.name for block in document.blocks if block.kind == "heading")
    return [name for name in names if _PLAIN.fullmatch(name) and name != document.title]


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
