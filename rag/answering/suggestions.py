"""Questions that a person would ask of an index and that it answers, made from its own sentences;
and the reply to talk, such as "hello" or "What can I ask you?", which suggests them.

A sentence such as "The lease ends on 31 March 2028." becomes "When does the lease end?". A question
is suggested only if the engine answers it surely, and from the place that it was made from.
`rag.answering.forms` recognises talk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

from rag.answering.receipts import Asked
from rag.meaning.asking import LONGEST, as_asked, inside, is_vague, question_for
from rag.meaning.words import content_words
from rag.protocols import Store
from rag.structure import children, heading_path
from rag.types import TALK, Answer, Document

REPLY = (
    "This is a question to rag, not to your documents. rag answers questions from your documents, "
    "in their own words"
)
SUGGESTED = 3
"""Number of questions to suggest."""
SUGGESTION_READS = 3
"""Number of passages read for a question that may be suggested."""
_PROBABILITY = 0.65
"""Minimum confidence of the answer to a suggested question, which is from the place that the
question was made from.
"""
_TRIES = 24
"""Maximum number of questions that are asked to find those."""
_DOCUMENTS = 48
"""Number of documents, evenly spread, whose sentences are looked at."""
_MOST_DOCUMENTS = 480
"""Number of documents that are looked at if few have a sentence that becomes a question."""
_ENOUGH = 12
"""Number of documents with a question, of which three are likely to be answered."""
_MOST_CHARACTERS = 40_000
"""Characters of a document that are looked at."""
_PER_DOCUMENT = 3
_IN_PASSING = 3
"""Added to the rank of a question that is not about what its document or section is about."""

Ask = Callable[[str], Answer]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A question, and the place `document.text[start:end]` that it is made from. `rank` is 0 for
    the most natural ones.
    """

    question: str
    document_id: str
    start: int
    end: int
    rank: int = 0


def talk_reply(asked: Asked, suggestions: tuple[str, ...]) -> Answer:
    """No answer to talk, with the questions that can be asked instead."""
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


class Suggestions:
    """Questions that an index answers, one list for each of its generations."""

    def __init__(self) -> None:
        self._found: tuple[int, tuple[str, ...]] = (-1, ())

    def known(self, generation: int) -> tuple[str, ...] | None:
        """The questions of this generation; None if nobody has looked for them."""
        return self._found[1] if self._found[0] == generation else None

    def questions(
        self, store: Store, ask: Ask, count: int = SUGGESTED, tries: int = _TRIES
    ) -> tuple[str, ...]:
        """At most `count` questions, of different documents where there are several, that `ask`
        answers surely and from their places. At most `tries` are asked,
        once per generation; while one call looks for them, others get those that it has found.
        Raises what `ask` does.
        """
        generation = store.stats().generation
        if generation != self._found[0]:
            self._found = generation, ()  # a candidate may itself be talk
            try:
                for question in answered(candidates(store), ask, count, tries):
                    self._found = generation, (*self._found[1], question)
            except BaseException:
                self._found = -1, ()  # the next call looks again
                raise
        return self._found[1]


def answered(
    suggestions: Iterable[Suggestion], ask: Ask, count: int, tries: int = _TRIES
) -> Iterator[str]:
    """The first `count` questions that are answered: of different documents and with different
    beginnings; if there are too few, others.
    """
    waiting, words_asked = list(suggestions), set[str]()
    found = asked = 0
    for is_other in (True, False):
        later: list[Suggestion] = []
        for suggestion in waiting:
            if found == count or asked == tries:
                return
            alike = {suggestion.document_id, _beginning(suggestion.question)}
            if is_other and not words_asked.isdisjoint(alike):
                later.append(suggestion)
                continue
            asked += 1
            if _is_answered(ask(suggestion.question), suggestion):
                found += 1
                words_asked |= alike
                yield suggestion.question
        waiting = later


def _beginning(question: str) -> str:
    """The first two words: "How much"."""
    return " ".join(question.split()[:2])


def _is_answered(answer: Answer, suggestion: Suggestion) -> bool:
    return (
        answer.text is not None
        and answer.confidence >= _PROBABILITY
        and any(
            place.document_id == suggestion.document_id
            and place.sentence_start < suggestion.end
            and suggestion.start < place.sentence_end
            for place in answer.citations
        )
    )


def candidates(store: Store) -> Iterator[Suggestion]:
    """Questions of documents all over the index: the most natural ones first, and of these one of
    each document, then a second one of each.
    """
    by_document: list[list[Suggestion]] = []
    for looked_at, name in enumerate(_spread([one.id for one in store.documents()])):
        if looked_at == _MOST_DOCUMENTS or (
            looked_at >= _DOCUMENTS and len(by_document) >= _ENOUGH
        ):
            break
        document = store.document(name)
        if document and (found := _of_document(document)):
            by_document.append(found)
    ranks = sorted({one.rank for suggestions in by_document for one in suggestions})
    seen = set[str]()
    for rank in ranks:
        columns = ([one for one in suggestions if one.rank == rank] for suggestions in by_document)
        for row in zip_longest(*columns):
            for suggestion in row:
                if suggestion and suggestion.question.casefold() not in seen:
                    seen.add(suggestion.question.casefold())
                    yield suggestion


def _spread(names: Sequence[str]) -> Iterator[str]:
    """All names, in rounds of about `_DOCUMENTS` that are evenly spread."""
    step = max(1, len(names) // _DOCUMENTS)
    for offset in range(step):
        yield from names[offset::step]


def _of_document(document: Document) -> list[Suggestion]:
    """The best few questions of a document, in its order. Those that share no word with its title
    or with the headings over their place come last: they are about something in passing.
    """
    found = []
    for one in (*_headings(document), *_sentences(document), *_rows(document)):
        named = " ".join((document.title, *heading_path(document.blocks, one.start)))
        is_about = content_words(one.question) & content_words(named)
        found.append(one if is_about else replace(one, rank=one.rank + _IN_PASSING))
    likeliest_few = sorted(found, key=lambda one: one.rank)[:_PER_DOCUMENT]
    return sorted(likeliest_few, key=lambda one: (one.rank, one.start))


_ASKING = re.compile(
    r"(?:who|what|when|where|why|how|which|can|do|does|is|are|may|must|should)\b"
    r"[\w '’,-]{6,90}\?",
    re.IGNORECASE,
)
_TO_READER = re.compile(r"(?:do|does|did|is|are|have|has) (?:you|your|our|we)\b", re.IGNORECASE)
"""How a question begins that a document asks of its reader: "Does your team use …?"."""
_HOW_TO = re.compile(r"How to (?P<act>[a-z][\w '’,-]{4,60})")
_NAMING = re.compile(
    r"[A-Z][a-z'’-]+ (?:[a-z'’-]+ ){0,2}(?P<last>period|fees?|prices?|deadlines?|policy|address|"
    r"rates|limits?|requirements|procedure|process|rules|penalty|penalties|costs|guarantee|"
    r"schedule|hours|benefits|conditions|responsibilities|duties|objectives|goals)"
)
"""A heading that names something to ask for: "Notice period"."""
_LABEL = re.compile(r"[A-Z](?:[^\W¹²³⁰-⁹]|['’&,. -]){2,40}")
_COLUMN = re.compile(r"[A-Z]?[a-z][\w' ’-]{2,30}")
_LONGEST_FIGURE = 30


def _headings(document: Document) -> Iterator[Suggestion]:
    """Headings that ask. The answer is in what follows them."""
    headings = [block for block in document.blocks if block.kind == "heading"]
    for block, following in zip_longest(headings, headings[1:]):
        if block.start > _MOST_CHARACTERS:
            return
        end = following.start if following else len(document.text)
        rank = 0 if len(content_words(block.name)) > 1 else 2  # "How to apply" says not for what
        if (
            _ASKING.fullmatch(block.name)
            and not _TO_READER.match(block.name)
            and not is_vague(block.name.rstrip("?"))
        ):
            yield Suggestion(block.name, document.id, block.start, end, rank)
        elif (how := _HOW_TO.fullmatch(block.name)) and not is_vague(how["act"]):
            yield Suggestion(
                f"How do I {as_asked(how['act'])}?", document.id, block.start, end, rank
            )
        elif named := _NAMING.fullmatch(block.name):
            are = "are" if re.search(r"[^s]s$", named["last"]) else "is"
            question = f"What {are} the {inside(block.name.removeprefix('The '))}?"
            yield Suggestion(question, document.id, block.start, end, 2)


def _rows(document: Document) -> Iterator[Suggestion]:
    """Of each table a figure in its first row."""
    for place, table in enumerate(document.blocks):
        if table.kind != "table" or table.start > _MOST_CHARACTERS:
            continue

        rows = (document.blocks[i] for i in children(document.blocks, place))
        row = next((row for row in rows if row.kind == "row"), None)
        if row is None or len(row.cells) < 2 or row.cells[0].column != 0:
            continue

        label, *cells = ((document.text[c.start : c.end], c.column) for c in row.cells)

        for text, column in cells:
            name = table.columns[column].name if 0 <= column < len(table.columns) else ""

            is_figure = len(text) < _LONGEST_FIGURE and re.search(r"\d", text)
            if is_figure and _LABEL.fullmatch(label[0]) and _COLUMN.fullmatch(name):
                noun = re.split(r" (?:in|of|per|for|at|with)\b", name)[0]
                are = "are" if re.search(r"[^s]s$", noun) else "is"
                of = "for" if " of " in name else "of"

                question = f"What {are} the {name.lower()} {of} {label[0]}?"
                yield Suggestion(question, document.id, row.start, row.end, 2)
                break


def _sentences(document: Document) -> Iterator[Suggestion]:
    """Questions that single sentences of running text answer."""
    for block in document.blocks:
        if block.start > _MOST_CHARACTERS:
            return
        start, end = block.start, block.end
        is_text = block.kind == "sentence" and block.parent >= 0
        if not is_text or document.blocks[block.parent].kind not in ("paragraph", "item"):
            continue
        if end - start > LONGEST:
            continue
        if asked := question_for(" ".join(document.text[start:end].split())):
            yield Suggestion(asked.question, document.id, start, end, asked.rank)
