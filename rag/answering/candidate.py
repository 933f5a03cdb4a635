"""A candidate, of one kind for every form of answer, and its citations: any stretch of a document
with its quote, sentence, offsets and heading.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.answering.spans import SpanGroup, value
from rag.meaning.relative_dates import document_date
from rag.meaning.sentences import Offsets
from rag.structure import heading_path, passage_sentence, sentence_around
from rag.types import LEADS, Citation, Document, Passage, Piece, Place, Span, Value, YesNo

MAX_CITATIONS = 5
GAP = " […] "
_TOKEN = re.compile(
    r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+|https?://[^\s<>\"')\]]+"
    r"|(?:(?<![\w~.])[\w~.]++)?(?:[/\\][\w.~-]++)+"
    r"|(?<!\w)(?:\w++(?:[-.:]\w++)+|\w+?_\w++)"
)
"""A word as people read it: an address, a path, a name with hyphens or dots. A run of letters is
tried only from its start, so that the time is proportional to the length of the text.
"""
_UNIT = re.compile(
    r"\s?(?:%|°\s?[CF]\b)|[\s-](?:percent|per cent|hundred"
    r"|thousand|million|billion|trillion|dozen)\b"
    r"|\s(?:kg|km|cm|mm|GB|MB|kB|TB|ms|kW|kWh|MHz|GHz|mph|km/h)\b"
)
_CURRENCY = re.compile(r"(?:US\$|[$€£¥])\s?$")
_BRACKETS = {"(": ")", "[": "]", "“": "”", "«": "»"}
_REACH = 80
"""Maximum number of characters to the other bracket."""


def cite(span: Span, document: Document) -> Citation | None:
    """The span as a citation; None if the document changed after it was read."""
    passage = span.hit.passage
    if not passage.is_in(document):
        return None
    offsets = extend_to_whole(passage, span.start, span.end)
    start, end = (passage.start + offset for offset in offsets)
    sentence = passage_sentence(passage, span.start, span.end)
    sentence_start, sentence_end = (passage.start + offset for offset in sentence)
    return replace(
        quoted(document, start, end, (sentence_start, sentence_end)),
        headings=passage.headings,
        copies=tuple(
            Place(p.document_id, p.start + offsets[0], p.start + offsets[1], label=p.title)
            for p in span.hit.copies
        ),
    )


def cite_all(
    spans: Iterable[Span], document: Callable[[str], Document | None]
) -> tuple[Citation, ...]:
    """One citation per place, best first. Passages that their document no longer contains are not
    cited.
    """
    citations: dict[tuple[str, int], Citation] = {}
    for span in spans:
        source = document(span.hit.passage.document_id)
        citation = cite(span, source) if source else None
        if citation:
            citations.setdefault((citation.document_id, citation.start), citation)
    return tuple(citations.values())


def quoted(document: Document, start: int, end: int, sentence: Offsets | None = None) -> Citation:
    """`document.text[start:end]` as a citation; its sentence is `sentence`, or the quote itself."""
    sentence_start, sentence_end = sentence or (start, end)
    text = document.text
    day = document_date(document.metadata, text)
    return Citation(
        document_id=document.id,
        title=document.title,
        headings=heading_path(document.blocks, start),
        source=document.source,
        sha256=document.sha256,
        start=start,
        end=end,
        quote=text[start:end],
        sentence_start=sentence_start,
        sentence_end=sentence_end,
        sentence=text[sentence_start:sentence_end],
        page=document.page(start),
        date=day.isoformat() if day else "",
    )


def independent(citations: Sequence[Citation]) -> int:
    """Number of independent sources: copies of a file and documents with the same sentence count
    once.
    """
    digests, sentences, count = set[str](), set[str](), 0
    for citation in citations:
        sentence = " ".join(citation.sentence.casefold().split())
        count += citation.sha256 not in digests and sentence not in sentences
        digests.add(citation.sha256)
        sentences.add(sentence)
    return count


def joined(form: str, pieces: Sequence[Piece], lead: str = "") -> str:
    """The text of an answer: its pieces after `lead`, one of `LEADS` or "", unless they begin with
    that word.
    """
    if form in ("steps", "list", "comparison", "overview", "catalogue"):
        text = "\n".join(piece.text for piece in pieces)
    else:
        text = "".join(
            (GAP if piece.gap else " " if number else "") + piece.text
            for number, piece in enumerate(pieces)
        )
    return f"{lead} {text}" if lead and not _begins_with_lead(text, lead) else text


def _begins_with_lead(text: str, lead: str) -> bool:
    """Whether the text says the lead itself: "No, …", but not "No person may …"."""
    said_word = lead.removesuffix(".")
    return bool(re.match(rf"{re.escape(said_word)}\s*(?:[^\w\s]|$)", text, re.IGNORECASE))


def extend_to_whole(passage: Passage, start: int, end: int) -> Offsets:
    """`passage.text[start:end]`, extended within its sentence if it cuts an address, a bracket, or
    a number from its unit.
    """
    text = passage.text
    sentence_start, sentence_end = passage_sentence(passage, start, end)
    for token in _TOKEN.finditer(text, sentence_start, sentence_end):
        if token.start() < end and start < token.end():
            trimmed = token.start() + len(token.group().rstrip(".:-"))
            start, end = min(start, token.start()), max(end, trimmed)
    start, end = _with_both_brackets(text, start, end, sentence_start, sentence_end)
    if text[end - 1].isdigit() and (unit := _UNIT.match(text, end, sentence_end)):
        end = unit.end()
    if text[start].isdigit() and (sign := _CURRENCY.search(text, sentence_start, start)):
        start = sign.start()
    return start, end


def _with_both_brackets(text: str, start: int, end: int, least: int, most: int) -> Offsets:
    """The stretch, extended to both brackets of a pair if it contains only one."""
    for opening, closing in _BRACKETS.items():
        words = text[start:end]
        depth = words.count(opening) - words.count(closing)
        if depth > 0 and (closing_offset := text.find(closing, end, min(most, end + _REACH))) >= 0:
            end = closing_offset + 1
        elif (
            depth < 0
            and (closing_offset := text.rfind(opening, max(least, start - _REACH), start)) >= 0
        ):
            start = closing_offset
    return start, end


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible answer: its form, and its places in display order, at least one.

    `generator` names the function that proposed it. `verdict` is what it says to a yes/no question,
    None for other candidates. `span` is the group of equal spans that it consists of. `text`
    replaces the words of the places in a catalogue: a count, or a value of the metadata. `more`
    counts the items that are not shown. `value` is the result of a computation. `probability` is
    that of the model which found the figure of a table; None if it is the judge's.
    """

    form: str
    generator: str
    places: tuple[Place, ...]
    verdict: YesNo | None = None
    span: SpanGroup | None = None
    text: str = ""
    more: int = 0
    value: Value | None = None
    probability: float | None = None

    @property
    def lead(self) -> str:
        """The only words that an answer may add."""
        return LEADS[self.verdict] if self.verdict else ""

    def overlaps(self, other: Candidate) -> bool:
        """Whether both quote the same words somewhere."""
        return any(
            place.overlaps(other_place) for place in self.places for other_place in other.places
        )

    def pieces(self, documents: Mapping[str, Document]) -> tuple[Piece, ...]:
        """The places as quotes; `gap` where text between them in one document is left out."""
        return tuple(_pieces(self.places, documents, self.form == "span"))


def _pieces(
    places: Sequence[Place], documents: Mapping[str, Document], are_inside: bool
) -> list[Piece]:
    """The places as quotes, within their sentences if they `are_inside` of these."""
    pieces: list[Piece] = []
    previous: Place | None = None
    for place in places:
        document = documents[place.document_id]
        adjacent = (
            previous is not None
            and previous.document_id == place.document_id
            and not document.text[previous.end : place.start].strip()
        )
        sentence = sentence_around(document.blocks, place.start, place.end) if are_inside else None
        pieces.append(
            Piece(
                quoted(document, place.start, place.end, sentence),
                gap=previous is not None and not adjacent,
                heading=place.heading,
                label=place.label,
            )
        )
        previous = place
    return pieces


@dataclass(frozen=True, slots=True)
class TableFindings:
    """What the tables of documents say to a question: `candidates`, each with its probability, and
    `unlikely_rows`, which have a figure of the asked period, but hardly the one that is meant.
    """

    candidates: tuple[Candidate, ...] = ()
    unlikely_rows: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A candidate in words: the part of an answer that comes from it; a refusal says nothing."""

    text: str | None = None
    pieces: tuple[Piece, ...] = ()
    citations: tuple[Citation, ...] = ()
    documents: int = 0
    value: Value | None = None
    more: int = 0


def said(candidate: Candidate, documents: Mapping[str, Document]) -> Said:
    """The candidate in the words of the documents, with its citations."""
    pieces = candidate.pieces(documents)
    citations = _citations(candidate, pieces, documents)
    if candidate.form == "span" and candidate.probability is None:
        pieces = (Piece(citations[0]),)
    return Said(
        text=candidate.text or joined(candidate.form, pieces, candidate.lead),
        pieces=pieces,
        citations=citations[:MAX_CITATIONS] if candidate.span else citations,
        documents=_documents(candidate, citations),
        value=_value(candidate, pieces, documents),
        more=candidate.more,
    )


def _citations(
    candidate: Candidate, pieces: Sequence[Piece], documents: Mapping[str, Document]
) -> tuple[Citation, ...]:
    """A span cites each place that supports it; other forms cite their pieces."""
    if candidate.span:
        return cite_all(candidate.span.supporting, documents.get)
    return tuple(piece.citation for piece in pieces)


def _documents(candidate: Candidate, citations: Sequence[Citation]) -> int:
    """The number of independent documents that support the answer."""
    if candidate.form == "catalogue":
        return len(candidate.places) + candidate.more
    if candidate.span:
        return independent(citations)
    return len({citation.document_id for citation in citations})


def _value(
    candidate: Candidate, pieces: Sequence[Piece], documents: Mapping[str, Document]
) -> Value | None:
    """The typed value of a verdict or a span."""
    if candidate.verdict == "condition":
        return Value("condition", " ".join(piece.text for piece in pieces))
    if candidate.verdict is not None:
        return Value("boolean", pieces[0].text, yes=candidate.verdict == "yes")
    if candidate.span is None:
        return candidate.value
    mention = candidate.span.best
    return value(mention, documents[mention.span.hit.passage.document_id])
