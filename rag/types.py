"""Frozen values that are passed between the parts.

All offsets count Unicode code points; ends are exclusive.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal, NamedTuple

MEMBER_SEPARATOR = "//"
"""Separates a file's path from the name of a member; resolved paths contain no double slash."""


_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")

Json = dict[str, Any]
"""An object of JSON: plain values by name."""

YesNo = Literal["yes", "no", "condition"]
"""What an answer says to a yes/no question: "condition" if it is yes or no only under a condition
that the question leaves open.
"""
LEADS: Mapping[YesNo, str] = {"yes": "Yes.", "no": "No.", "condition": "On a condition."}
"""The words that say so in an answer."""


def in_a_cell(verdict: YesNo) -> str:
    """The words that say so in a grid: "yes", "no" or "on a condition"."""
    return LEADS[verdict].rstrip(".").lower()


BlockKind = Literal[
    "heading",
    "paragraph",
    "list",
    "item",
    "table",
    "header",
    "row",
    "caption",
    "code",
    "group",
    "sentence",
]


class BlockCell(NamedTuple):
    """A cell's value, `document.text[start:end]`, without the name of its column.

    `column` is an index into the columns of the row's table, or -1 if its column is not known, as
    in a row with fewer cells than the table has columns. A cell in several columns has the first.
    """

    column: int
    start: int
    end: int


class Column(NamedTuple):
    """A column of a table. `name` is its whole name, header rows from the top joined by spaces, or
    "" without a header; `document.text[start:end]` is the lowest header cell, or both are -1.
    """

    name: str
    start: int = -1
    end: int = -1


class Block(NamedTuple):
    """A part of a document's structure, `document.text[start:end]`, as its parser read it.

    Blocks are in document order, a parent before its children. `parent` is the index in
    `document.blocks` of the block that this one belongs to, or -1. That is the heading above it, or
    else the block that contains it: the item of an inner list, the list of an item, the table of a
    row, a group. A block lies within a parent that is no heading, a sentence within any; blocks do
    not overlap otherwise. Every character but spaces lies in a block.

    - heading: the line of a heading, with its `level`, 1 to 7, outermost first; its parent is the
      heading of the next outer level. `name` is its text in one line.
    - paragraph, code, caption: text. A caption belongs to its table or group.
    - list: the items of one list. Its parent is an item if it is an inner list.
    - item: with everything below it, from its `marker` on, such as "-" or "3."; the marker is part
      of the text. A term with its definition is a group.
    - table: its rows and caption, with its `columns`. A table whose columns change is several.
    - row: a row of values; header: one that names columns. Both have `cells`, without empty ones.
    - group: what one name is about: a term with its definition, a figure, the quoted text of a
      mail.
    - sentence: a sentence of the block that contains it. A row is one, so is a header. Together
      they have every character but spaces, as `rag.structure.with_sentences` split the text.

    `name` is part of the heading path of everything in the block, and need not be in the text: the
    term of a group, or "row 4" of a spreadsheet. It is "" for a block that has no name.
    """

    kind: BlockKind
    start: int
    end: int
    parent: int = -1
    level: int = 0
    name: str = ""
    marker: str = ""
    cells: tuple[BlockCell, ...] = ()
    columns: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A text that can be cited.

    `id` is derived from the document's origin (folder and path, or URI) and does not change with
    its content. `source` is the absolute path or URI. `sha256` is the hex digest of the loaded
    bytes. `blocks` are its structure, read by `rag.structure`. `pages` are the start offsets of
    pages, page n at index n - 1, or () without pages. If the document is a member of an archive or
    a mailbox, `source` is the file's path, INSIDE and the member's name, and `container_sha256` is
    the digest of the whole file.
    """

    id: str
    text: str
    title: str
    source: str
    sha256: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    blocks: Sequence[Block] = ()
    pages: tuple[int, ...] = ()
    container_sha256: str = ""

    @property
    def file(self) -> str:
        """Absolute path or URI of the document's file, or of the archive that contains it."""
        begin = self.source.find("://") + 3 if "://" in self.source else 1
        member_start = self.source.find(MEMBER_SEPARATOR, begin) if self.container_sha256 else -1
        return self.source if member_start < 0 else self.source[:member_start]

    @property
    def file_sha256(self) -> str:
        return self.container_sha256 or self.sha256

    @property
    def uri(self) -> str:
        """A web page's or upload's address; a file's id, so that clients learn no folders."""
        return self.source if _SCHEME.match(self.source) else self.id

    def page(self, offset: int) -> int | None:
        """Number of the page, from 1, with the character at `offset`; None without pages."""
        return max(1, bisect_right(self.pages, offset)) if self.pages else None


def title_and_headings(title: str, headings: Sequence[str]) -> tuple[str, ...]:
    """A document's title and the headings of a place, the title once: a title may be the first
    heading, or the first heading with a day.
    """
    if headings and (headings[0] == title or title.startswith(f"{headings[0]} (")):
        headings = headings[1:]
    return tuple(part for part in (title, *headings) if part)


def path_of(headings: Iterable[str]) -> str:
    """Headings for people, the outermost first."""
    return " > ".join(headings)


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document: `document.text[start:end] == text`.

    `headings` are those above it, outermost first. `sentences` are its own ones, and `rows` the
    rows of tables, header rows too, of which a part is in it, both with offsets in its text; None
    if the document's blocks are not known.
    """

    document_id: str
    start: int
    end: int
    text: str
    title: str
    headings: tuple[str, ...]
    rows: tuple[Block, ...] | None = field(default=None, compare=False, repr=False)
    sentences: tuple[tuple[int, int], ...] | None = field(default=None, compare=False, repr=False)

    @property
    def row_offsets(self) -> tuple[tuple[int, int], ...] | None:
        """(start, end) of the rows."""
        return None if self.rows is None else tuple((row.start, row.end) for row in self.rows)

    @property
    def innermost_heading(self) -> str:
        """The heading right above the passage, or ""."""
        return self.headings[-1] if self.headings else ""

    @property
    def context(self) -> str:
        """Title and heading. They are embedded, searched and read with the text, but not part of
        it.
        """
        return path_of(title_and_headings(self.title, self.headings))

    @property
    def in_context(self) -> str:
        """The text that is embedded: context and passage."""
        return f"{self.context}\n{self.text}"

    def is_in(self, document: Document | None) -> bool:
        """Whether the document has the passage at its place."""
        return document is not None and document.text[self.start : self.end] == self.text


@dataclass(frozen=True, slots=True)
class Hit:
    """A retrieved passage. Higher scores are better.

    `score` is the probability that the passage, of all that were found, holds the answer; `dense`
    is the cosine in [-1, 1], `lexical` the BM25 score,
    at least 0. `dense_rank` and `lexical_rank` are its ranks, from 1, in each retriever before
    fusion, or None if it was not among the retriever's candidates. `copies` are passages elsewhere
    with the same text; they are not read again.
    """

    passage: Passage
    score: float
    dense: float
    lexical: float
    dense_rank: int | None = None
    lexical_rank: int | None = None
    copies: tuple[Passage, ...] = ()

    @property
    def log_score(self) -> float:
        """The logarithm of `score`, at least -10."""
        return max(-10.0, math.log(max(self.score, 1e-9)))

    @property
    def scores(self) -> Json:
        """The scores and ranks as JSON."""
        names = ("score", "dense", "lexical", "dense_rank", "lexical_rank")
        return {name: getattr(self, name) for name in names}

    def contains(self, citation: Citation) -> bool:
        """Whether the quote of the citation is in the passage."""
        passage = self.passage
        return (
            passage.document_id == citation.document_id
            and passage.start <= citation.start
            and citation.end <= passage.end
        )

    def to_dict(self) -> Json:
        """The passage and its scores as JSON; `rag search --json` prints these."""
        passage = self.passage
        return {
            **_span(passage.document_id, passage.title, passage.start, passage.end),
            "headings": list(passage.headings),
            "text": passage.text,
            "scores": self.scores,
        }


@dataclass(frozen=True, slots=True)
class Span:
    """A candidate answer: `hit.passage.text[start:end]`.

    `score` is the reader's log-odds of this span against "no answer here", comparable across
    passages. `label` is that of the row, if the span is a figure in a table.
    """

    hit: Hit
    start: int
    end: int
    score: float
    label: str = ""

    @property
    def text(self) -> str:
        return self.hit.passage.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Place:
    """Words of a document, `document.text[start:end]`, before they are cited.

    `label` names the subject if the words do not: one side of a comparison, or a document's title.
    `heading` means that the words are a heading.
    """

    document_id: str
    start: int
    end: int
    label: str = ""
    heading: bool = False

    def overlaps(self, place: Place) -> bool:
        """Whether both share a character."""
        return (
            self.document_id == place.document_id
            and self.start < place.end
            and place.start < self.end
        )


def _span(document_id: str, title: str, start: int, end: int) -> Json:
    """`text[start_char_index:end_char_index]` of a document's text, as JSON."""
    return {
        "document_id": document_id,
        "title": title,
        "start_char_index": start,
        "end_char_index": end,
    }


@dataclass(frozen=True, slots=True)
class Citation:
    """The source of a quote: `document.text[start:end] == quote`, within the sentence
    `[sentence_start, sentence_end)`.

    `page` is the number, from 1, of the page where the quote starts, or None in a document without
    pages. `copies` are the same quote in passages with identical text, with the titles of their
    documents. `date` is the document's day in ISO 8601, or "".
    """

    document_id: str
    title: str
    headings: tuple[str, ...]
    source: str
    sha256: str
    start: int
    end: int
    quote: str
    sentence_start: int
    sentence_end: int
    sentence: str
    page: int | None = None
    copies: tuple[Place, ...] = ()
    date: str = ""

    @classmethod
    def of_passage(cls, passage: Passage) -> Citation:
        """The whole passage, which knows neither its document's source nor its digest."""
        return cls(
            document_id=passage.document_id,
            title=passage.title,
            headings=passage.headings,
            source="",
            sha256="",
            start=passage.start,
            end=passage.end,
            quote=passage.text,
            sentence_start=passage.start,
            sentence_end=passage.end,
            sentence=passage.text,
        )

    @property
    def uri(self) -> str:
        """A web page's or upload's address; a file's id, so that clients learn no folders."""
        return self.source if _SCHEME.match(self.source) else self.document_id

    def to_dict(self) -> Json:
        """The citation as JSON: the sentence, and the quote in it as `highlight`."""
        return {
            "document_id": self.document_id,
            "title": self.title,
            "uri": self.uri,
            "page": self.page,
            "headings": list(self.headings),
            "date": self.date,
            "cited_text": self.sentence,
            "start_char_index": self.sentence_start,
            "end_char_index": self.sentence_end,
            "highlight": {
                "text": self.quote,
                "start_char_index": self.start,
                "end_char_index": self.end,
            },
            "document_sha256": self.sha256,
            "copies": [
                _span(copy.document_id, copy.label, copy.start, copy.end) for copy in self.copies
            ],
        }

    def quote_dict(self) -> Json:
        """The quote alone as JSON, where it is itself what is cited."""
        return {
            "document_id": self.document_id,
            "title": self.title,
            "uri": self.uri,
            "page": self.page,
            "cited_text": self.quote,
            "start_char_index": self.start,
            "end_char_index": self.end,
            "document_sha256": self.sha256,
        }


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an answer in a document's own words, `citation.quote`.

    `gap` means that the document's text between the previous piece and this one was left out;
    `heading` that the quote is a heading. `label` names the subject if the quote does not: one side
    of a comparison, or a document's title.
    """

    citation: Citation
    gap: bool = False
    heading: bool = False
    label: str = ""

    @property
    def text(self) -> str:
        return self.citation.quote


@dataclass(frozen=True, slots=True)
class Value:
    """The typed value of an answer, in addition to its words.

    `kind` is "date", "duration", "number", "quantity", "money", "percentage", "boolean",
    "condition" or "computed"; `text` is the source text. A date has `iso` (ISO 8601 to the known
    precision: "2015", "2015-07", "2015-07-14") and `precision` ("day", "week", "month", "year"); a
    duration has `iso` ("P12D"). Numbers have `number`, ranges also `upper`, and `unit` ("kilogram",
    "USD", "percent", "day", or the counted noun); `per` is the denominator of a rate ("month",
    "hour", "person"), or "". `bound` is a qualifier: "", "about", "more than", "at least", "less
    than" or "at most"; that of a date may be "before" or "no later than", too. A date with two
    readings has no `iso`. `yes` answers a yes/no question; it is None for a "condition", whose
    words are in `text`. `resolved` names the anchor of a relative date. A computed one has the
    `operation` on the figures that are cited, in their order ("difference", "sum", "share",
    "growth"), and `text` is the whole line.
    """

    kind: str
    text: str
    iso: str | None = None
    precision: str | None = None
    number: float | None = None
    upper: float | None = None
    unit: str | None = None
    bound: str = ""
    yes: bool | None = None
    resolved: str | None = None
    per: str = ""
    operation: str = ""

    @property
    def verdict(self) -> YesNo | None:
        """The answer to a yes/no question; None for other values."""
        if self.kind == "condition":
            return "condition"
        return None if self.yes is None else "yes" if self.yes else "no"


TALK = "talk"
"""Form of the reply to a question to rag itself, such as "Who are you?"."""
GRID = "grid"
"""Form of the answer to a question over the whole shelf, which asks each document."""
LEAST_SHOWN = 0.1
"""Minimum confidence of candidates that are shown."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another candidate answer, with the same guarantees as the first.

    `documents` counts the independent documents that support it; `citations` quotes the best.
    `verdict` is what it says to a yes/no question.
    """

    text: str
    confidence: float
    citations: tuple[Citation, ...]
    documents: int = 0
    verdict: YesNo | None = None


@dataclass(frozen=True, slots=True)
class GridAnswerCell:
    """What one document says to one question. `state` and `value` are those of a grid's cell: the
    words, "yes" or "no", or "" if it is absent; `typed` is what they mean; `citation` quotes them.
    """

    state: str
    value: str
    probability: float
    typed: Value | None = None
    citation: Citation | None = None


@dataclass(frozen=True, slots=True)
class GridAnswerRow:
    """A document and its cells. `outcome` is "counted", "other" (it says something else), "silent",
    "unsure", "unreadable", or "waiting" if it was not asked in time.
    """

    document_id: str
    title: str
    outcome: str
    cells: tuple[GridAnswerCell, ...] = ()


OUTCOMES = ("counted", "other", "unsure", "silent", "unreadable", "waiting")


@dataclass(frozen=True, slots=True)
class GridAnswer:
    """The small grid behind an answer over the whole shelf.

    `kind` names its documents, as in "contracts"; `operation` is "list", "count", "all", "any",
    "sum", "most", "least" or "difference". A column has `question`, `type` and `test`, which a
    value must pass for its document to be counted. `definition` is that of a grid with the same
    questions; if there are more documents than are asked at once, no row was asked, and it is the
    way to ask them.
    """

    kind: str
    operation: str
    columns: tuple[Json, ...]
    rows: tuple[GridAnswerRow, ...]
    definition: Json

    @property
    def counts(self) -> dict[str, int]:
        """How many rows have each outcome."""
        outcomes = [row.outcome for row in self.rows]
        return {name: outcomes.count(name) for name in OUTCOMES}

    def to_dict(self) -> Json:
        """The grid as JSON."""
        names = ("kind", "operation", "columns", "rows", "definition")
        return {name: plain(getattr(self, name)) for name in names} | {"counts": self.counts}


@dataclass(frozen=True, slots=True)
class Receipt:
    """Everything needed to repeat an answer. Digests are SHA-256 in hex.

    `documents` maps the documents that were read to their digests; `settings` are those that affect
    answers; `answer` is the digest of the answer's text and citations. `read` and `filter` are the
    question's options.
    """

    question: str
    read: int
    filter: tuple[str, ...]
    generation: int
    documents: Mapping[str, str]
    embedder: str
    reader: str
    calibration: str
    settings: Mapping[str, str]
    answer: str
    form: str = ""
    """The requested form; "" if the classifier chose it."""
    preferred: tuple[str, ...] = ()
    """Documents of the previous answer, which a follow-up prefers."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer quoted from the documents, or why nothing was found.

    `text` is None exactly if there is no answer; `abstention_reason` then explains why, and there
    are no citations. Otherwise there is at least one citation. `confidence` is the estimated
    probability, in [0, 1], that the best candidate is right, even if it was not given. `timings`
    are seconds per stage.

    `documents` counts the documents that support the answer; copies, and documents with the same
    sentence, count once. `conflicts` are answers that contradict it and would be given without it.

    `hits` are the retrieved passages, best first; `passages_read` is the number that was read, or
    None for all. `understood` is the question after spelling correction, or None if nothing was
    corrected.

    `form` is one of `rag.answering.forms.FORMS`, or `TALK` for a question to rag itself, which has
    no answer but `suggestions`: questions that the documents answer. Or it is `GRID` for a question
    that each document was asked: `grid` has what each says. `pieces` are the answer's quotes in
    display order. `text` consists of them; only "Yes.", "No.", "On a condition." and the count of a
    catalogue are added, and the count, the sum and the titles of a grid. `more` counts the list
    items that are not shown.
    """

    question: str
    text: str | None
    confidence: float
    citations: tuple[Citation, ...]
    alternatives: tuple[Alternative, ...]
    hits: tuple[Hit, ...]
    abstention_reason: str | None
    timings: Mapping[str, float]
    conflicts: tuple[Alternative, ...] = ()
    value: Value | None = None
    receipt: Receipt | None = None
    documents: int = 0
    passages_read: int | None = None
    form: str = "span"
    pieces: tuple[Piece, ...] = ()
    more: int = 0
    understood: str | None = None
    suggestions: tuple[str, ...] = ()
    grid: GridAnswer | None = None

    @property
    def verdict(self) -> YesNo | None:
        """The answer to a yes/no question, if it is one."""
        return self.value.verdict if self.value else None

    @property
    def hits_read(self) -> tuple[Hit, ...]:
        return self.hits[: self.passages_read]

    @property
    def truncated(self) -> bool:
        """Whether some retrieved passages were not read."""
        return len(self.hits_read) < len(self.hits)

    def to_dict(self) -> Json:
        """The answer as JSON, the same for every interface."""
        text = self.text or ""
        pieces = [
            {
                "text": piece.text,
                "citation": self._cited(number, piece.citation, text),
                "gap": piece.gap,
                "heading": piece.heading,
                "label": piece.label,
            }
            for number, piece in enumerate(self.pieces, 1)
        ]
        return {
            "question": self.question,
            "understood": self.understood,
            "answer": self.text,
            "verdict": self.verdict,
            "confidence": self.confidence,
            "abstention_reason": self.abstention_reason,
            "form": self.form,
            "suggestions": list(self.suggestions),
            "pieces": pieces,
            "more": self.more,
            "citations": self._all_cited(self.citations, text),
            "alternatives": [self._alternative(rival) for rival in self.alternatives],
            "conflicts": [self._alternative(rival) for rival in self.conflicts],
            "value": plain(self.value),
            "documents": self.documents,
            "grid": plain(self.grid),
            "nearest": [hit.to_dict() for hit in self.hits],
            "passages_found": len(self.hits),
            "passages_read": len(self.hits_read),
            "receipt": plain(self.receipt),
            "generation": self.receipt.generation if self.receipt else 0,
            "timings_ms": {
                stage: round(seconds * 1000, 1) for stage, seconds in self.timings.items()
            },
        }

    def _alternative(self, rival: Alternative) -> Json:
        return {
            "text": rival.text,
            "verdict": rival.verdict,
            "confidence": rival.confidence,
            "documents": rival.documents,
            "citations": self._all_cited(rival.citations, rival.text),
        }

    def _all_cited(self, citations: Sequence[Citation], text: str) -> list[Json]:
        return [self._cited(number, citation, text) for number, citation in enumerate(citations, 1)]

    def _cited(self, number: int, citation: Citation, text: str) -> Json:
        """A citation of `text`: its number from 1, the quote's place in the text, or the whole text
        if its words differ, and the scores of its passage.
        """
        start = text.find(citation.quote)
        start, end = (start, start + len(citation.quote)) if start >= 0 else (0, len(text))
        scores = (hit.scores for hit in self.hits if hit.contains(citation))
        return {
            "index": number,
            **citation.to_dict(),
            "start": start,
            "end": end,
            "scores": next(scores, None),
        }


def plain(value: Any) -> Any:
    """Values, and containers of them, as JSON: by their `to_dict`, or else, for dataclasses, with
    their own field names, without those that follow from others and take no part in comparisons.
    """
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in fields(value) if field.compare)
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value if isinstance(value, (str, int, float, type(None))) else str(value)
