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
from itertools import islice, zip_longest

from rag.answering.receipts import AskedQuestion
from rag.meaning.asking import LONGEST_SENTENCE, as_asked, inside_question, is_vague, question_for
from rag.meaning.words import content_words
from rag.protocols import Store
from rag.structure import children, heading_path
from rag.types import TALK, Answer, Block, Citation, Document

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

AskEngine = Callable[[str], Answer]


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


def talk_reply(asked: AskedQuestion, suggestions: tuple[str, ...]) -> Answer:
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
        last_generation, questions = self._found
        return questions if last_generation == generation else None

    def questions(
        self, store: Store, ask: AskEngine, count: int = SUGGESTED, tries: int = _TRIES
    ) -> tuple[str, ...]:
        """At most `count` questions, of different documents where there are several, that `ask`
        answers surely and from their places. At most `tries` are asked,
        once per generation; while one call looks for them, others get those that it has found.
        Raises what `ask` does.
        """
        generation = store.stats().generation
        known = self.known(generation)
        if known is not None:
            return known

        self._found = generation, ()  # a candidate may itself be talk
        try:
            for question in answered(candidates(store), ask, count, tries):
                _, questions = self._found
                self._found = generation, (*questions, question)
        except BaseException:
            self._found = -1, ()  # the next call looks again
            raise
        _, questions = self._found
        return questions


def answered(
    suggestions: Iterable[Suggestion], ask: AskEngine, count: int, tries: int = _TRIES
) -> Iterator[str]:
    """The first `count` questions that are answered: of different documents and with different
    beginnings; if there are too few, others.
    """
    waiting = list(suggestions)
    used: set[str] = set()
    found = 0
    asked = 0
    for must_differ in (True, False):
        later: list[Suggestion] = []
        for suggestion in waiting:
            if found == count or asked == tries:
                return
            marks = {suggestion.document_id, _beginning(suggestion.question)}
            if must_differ and not used.isdisjoint(marks):
                later.append(suggestion)
                continue
            asked += 1
            if _is_answered(ask(suggestion.question), suggestion):
                found += 1
                used |= marks
                yield suggestion.question
        waiting = later


def _beginning(question: str) -> str:
    """The first two words: "How much"."""
    return " ".join(question.split()[:2])


def _is_answered(answer: Answer, suggestion: Suggestion) -> bool:
    """Whether an answer is sure, and from the place that the question was made from."""
    if answer.text is None or answer.confidence < _PROBABILITY:
        return False
    return any(_is_from(citation, suggestion) for citation in answer.citations)


def _is_from(citation: Citation, suggestion: Suggestion) -> bool:
    """Whether the sentence of a citation touches the place of a question."""
    if citation.document_id != suggestion.document_id:
        return False
    starts_before_end = citation.sentence_start < suggestion.end
    ends_after_start = suggestion.start < citation.sentence_end
    return starts_before_end and ends_after_start


def candidates(store: Store) -> Iterator[Suggestion]:
    """Questions of documents all over the index: the most natural ones first, and of these one of
    each document, then a second one of each.
    """
    by_document = _by_document(store)
    ranks = {one.rank for suggestions in by_document for one in suggestions}
    seen: set[str] = set()
    for rank in sorted(ranks):
        of_rank = []
        for suggestions in by_document:
            of_rank.append([one for one in suggestions if one.rank == rank])
        for row in zip_longest(*of_rank):
            for suggestion in row:
                if suggestion is None:
                    continue
                question = suggestion.question.casefold()
                if question not in seen:
                    seen.add(question)
                    yield suggestion


def _by_document(store: Store) -> list[list[Suggestion]]:
    """The questions of documents that have some: of a few documents, or of more if few have."""
    by_document: list[list[Suggestion]] = []
    names = [document.id for document in store.documents()]
    for number, name in enumerate(_spread(names)):
        has_enough = number >= _DOCUMENTS and len(by_document) >= _ENOUGH
        if has_enough or number == _MOST_DOCUMENTS:
            break
        document = store.document(name)
        suggestions = _of_document(document) if document else []
        if suggestions:
            by_document.append(suggestions)
    return by_document


def _spread(names: Sequence[str]) -> Iterator[str]:
    """All names, in rounds of about `_DOCUMENTS` that are evenly spread."""
    step = max(1, len(names) // _DOCUMENTS)
    for offset in range(step):
        yield from names[offset::step]


def _of_document(document: Document) -> list[Suggestion]:
    """The best few questions of a document, in its order. Those that share no word with its title
    or with the headings over their place come last: they are about something in passing.
    """
    suggestions = list(_rows(document))
    for suggestion in (*_headings(document), *_sentences(document)):
        if not _is_on_subject(suggestion, document):
            suggestion = replace(suggestion, rank=suggestion.rank + _IN_PASSING)
        suggestions.append(suggestion)
    suggestions.sort(key=lambda suggestion: suggestion.rank)
    best = suggestions[:_PER_DOCUMENT]
    return sorted(best, key=lambda suggestion: (suggestion.rank, suggestion.start))


_OF_ITSELF = re.compile(r"(?i:I|me|my|we|our|us|an?)|[A-Z].*")
"""A word after which a question needs no title: it is about the one who asks, defines something, or
has a name.
"""


def _is_on_subject(suggestion: Suggestion, document: Document) -> bool:
    """Whether a question shares a word with what its document or section is about, or says itself
    what it is about. A heading that asks is no subject of its own: "Which levels are usual?" says
    nothing without the title above it.
    """
    headings = heading_path(document.blocks, suggestion.start)
    is_heading = bool(headings) and headings[-1].casefold() == suggestion.question.casefold()
    if is_heading:
        headings = headings[:-1]
        _, *words = suggestion.question.rstrip("?").split()
        if any(_OF_ITSELF.fullmatch(word) for word in words):
            return True
    subject = content_words(" ".join((document.title, *headings)))
    return not subject.isdisjoint(content_words(suggestion.question))


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
_LABEL = re.compile(r"[A-Z](?:[^\W¹²³⁰-⁹]|['’& -]){2,40}")
_OFFICE = re.compile(
    r"(?:Chair|Chairman|Chairwoman|Treasurer|Secretary|President|Director|Manager|Head|Captain"
    r"|Editor|[A-Z][a-z]+ (?:officer|secretary|manager|director))(?: of [a-z ]{3,30})?"
)
"""A label that names what one person is."""
_PERSON = re.compile(r"[A-Z][\w'’.-]+(?: [A-Z][\w'’.-]*){1,3}")
_MEASURE = re.compile(
    r"(?:[A-Za-z][\w'’-]* ){0,3}(?i:price|cost|fee|rate|rent|salary|wage|premium|deposit|amount"
    r"|total|budget|revenue|income|profit|value|population|area|length|height|width|depth|weight"
    r"|size|capacity|speed|distance|temperature|duration|age|deadline|percentage|share)"
)
"""A column that gives a measure of what its rows are about."""
_UNIT = re.compile(r" ?\((?:[^()]{1,20})\)$| in [a-z€£$%]+$")
"""The unit after the name of a measure: "(EUR)"."""
_LONGEST_FIGURE = 30
_MOST_ROWS = 8
"""Rows of a table that are looked at."""


def _headings(document: Document) -> Iterator[Suggestion]:
    """Headings that ask. The answer is in what follows them."""
    headings = [block for block in document.blocks if block.kind == "heading"]
    for block, following in zip_longest(headings, headings[1:]):
        if block.start > _MOST_CHARACTERS:
            return
        asked = _heading_question(block.name)
        if asked is None:
            continue
        question, rank = asked
        end = following.start if following else len(document.text)
        yield Suggestion(question, document.id, block.start, end, rank)


def _heading_question(heading: str) -> tuple[str, int] | None:
    """(the question that a heading asks, its rank), or None."""
    rank = 0 if len(content_words(heading)) > 1 else 2  # "How to apply" says not for what
    is_question = _ASKING.fullmatch(heading) and not _TO_READER.match(heading)
    if is_question and not is_vague(heading.rstrip("?")):
        return heading, rank

    how_to = _HOW_TO.fullmatch(heading)
    if how_to and not is_vague(how_to["act"]):
        return f"How do I {as_asked(how_to['act'])}?", rank

    naming = _NAMING.fullmatch(heading)
    if naming is None:
        return None
    thing = inside_question(heading.removeprefix("The "))
    return f"What {_is_or_are(naming['last'])} the {thing}?", 2


def _is_or_are(noun: str) -> str:
    """ "are" for a noun in the plural, or "is"."""
    return "are" if re.search(r"[^s]s$", noun) else "is"


def _rows(document: Document) -> Iterator[Suggestion]:
    """A cell of each table that a person would ask for, in the first row that has one.
    A column such as "Since" or "State" names nothing that one asks by its name.
    """
    for place, table in enumerate(document.blocks):
        if table.kind != "table" or table.start > _MOST_CHARACTERS:
            continue
        blocks = (document.blocks[index] for index in children(document.blocks, place))
        rows = islice((block for block in blocks if block.kind == "row"), _MOST_ROWS)
        for row in rows:
            question = _row_question(document, table, row)
            if question:
                yield Suggestion(question, document.id, row.start, row.end, 1)
                break


def _row_question(document: Document, table: Block, row: Block) -> str:
    """A question for a cell of a row that has a label, or ""."""
    if len(row.cells) < 2 or row.cells[0].column != 0:
        return ""
    label_cell, *cells = row.cells
    label = document.text[label_cell.start : label_cell.end]
    for cell in cells:
        text = document.text[cell.start : cell.end]
        has_column = 0 <= cell.column < len(table.columns)
        column = table.columns[cell.column].name if has_column else ""
        question = _cell_question(label, column, text)
        if question:
            return question
    return ""


def _cell_question(label: str, column: str, text: str) -> str:
    """A question for a cell, from the label of its row and the name of its column, or ""."""
    if _OFFICE.fullmatch(label) and _PERSON.fullmatch(text):
        return f"Who is the {_lowered(label)}?"

    is_figure = len(text) < _LONGEST_FIGURE and re.search(r"\d", text)
    if not is_figure:
        return ""
    labelled = _UNIT.sub("", label)
    measure = _UNIT.sub("", column)
    if _MEASURE.fullmatch(measure) and _LABEL.fullmatch(label):
        return f"What {_is_or_are(measure)} the {_lowered(measure)} of {label}?"
    if _MEASURE.fullmatch(labelled):
        return f"How much is the {_lowered(labelled)}?"
    return ""


def _lowered(noun: str) -> str:
    """A noun within a question; an abbreviation such as "VAT rate" stays as it is."""
    word, _, others = noun.partition(" ")
    return noun if word.isupper() else f"{word.lower()} {others}".strip()


def _sentences(document: Document) -> Iterator[Suggestion]:
    """Questions that single sentences of running text answer."""
    for block in document.blocks:
        if block.start > _MOST_CHARACTERS:
            return
        if block.kind != "sentence" or block.parent < 0:
            continue
        if document.blocks[block.parent].kind not in ("paragraph", "item"):
            continue
        if block.end - block.start > LONGEST_SENTENCE:
            continue
        sentence = " ".join(document.text[block.start : block.end].split())
        asked = question_for(sentence)
        if asked:
            yield Suggestion(asked.question, document.id, block.start, block.end, asked.rank)
