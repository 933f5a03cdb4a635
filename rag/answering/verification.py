"""Checks whether a citation still holds: its quote is in its place, moved, changed or missing; and
whether what was computed from cited cells does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rapidfuzz import fuzz, process

from rag.answering.computed import KIND, OPERATIONS, computation
from rag.errors import InputError, cause_of
from rag.facts import Fact, fact_at, mismatch
from rag.structure import sentence_around, sentences_in
from rag.types import Citation, Document, Json

_MIN_LIKENESS = 0.6
"""Minimum likeness, in [0, 1], of a sentence shown as the new version of a changed one."""
_CUT = 400
"""A sentence of this many characters may have been cut by its passage."""
_WIDTH = 3000
"""Number of characters on each side of the old place in which a changed sentence is looked for."""
_LONGEST = 100_000
"""Maximum number of characters of a quote and of its sentence; passages are far shorter."""
_STEP = 10_000
"""Number of characters on each side that are searched at a time, so that few places are kept."""
_SECONDS = 2.0
"""Processor time of one check; a sentence that occurs once takes milliseconds."""


class Documents(Protocol):
    def document(self, document_id: str) -> Document | None: ...


@dataclass(frozen=True, slots=True)
class CitationCheck:
    """Result of checking a citation.

    `status` is "ok" (the quote is in its place), "moved" (it is at `[start, end)` now), "changed"
    (the document no longer contains it) or "missing" (the document is gone). If it is changed,
    `now` is the most similar sentence, if there is one. `edited`: the document has another digest
    than cited. `detail` explains the status.
    """

    status: str
    document_id: str
    quote: str
    start: int | None
    end: int | None
    edited: bool
    detail: str
    now: str | None = None

    def to_dict(self) -> Json:
        return {
            "status": self.status,
            "document_id": self.document_id,
            "text": self.quote,
            "start_char_index": self.start,
            "end_char_index": self.end,
            "edited": self.edited,
            "detail": self.detail,
            "now": self.now,
        }


def verify(store: Documents, citation: Citation) -> CitationCheck:
    """Check a citation against the current index. Raises InputError for one that is too long, or
    that would take seconds, since its sentence occurs very often.
    """
    for name, part in (("quote", citation.quote), ("sentence", citation.sentence)):
        if len(part) > _LONGEST:
            message = f"the {name} has {len(part):,} characters, more than {_LONGEST:,}"
            raise InputError(message, "cite a part of it")
    document = store.document(citation.document_id)
    if document is None:
        detail = f"{citation.document_id} is no longer in the index"
        return CitationCheck(
            "missing", citation.document_id, citation.quote, None, None, True, detail
        )
    edited = bool(citation.sha256) and citation.sha256 != document.sha256
    if (
        citation.quote
        and document.text[citation.start : citation.end] == citation.quote
        and _same_sentence(document, citation)
    ):
        since = "; the document has changed elsewhere" if edited else ""
        return _verdict("ok", citation, citation.start, edited, f"unchanged at its place{since}")
    start = _current_offset(document, citation)
    if start is not None:
        return _verdict("moved", citation, start, edited, f"moved from {citation.start} to {start}")
    successor = _most_similar_sentence(document, citation)
    detail = (
        "the document no longer says so" if edited else "the document never said so at this place"
    )
    return CitationCheck(
        "changed", citation.document_id, citation.quote, None, None, edited, detail, successor
    )


def _verdict(
    status: str, citation: Citation, start: int, edited: bool, detail: str
) -> CitationCheck:
    end = start + len(citation.quote)
    return CitationCheck(status, citation.document_id, citation.quote, start, end, edited, detail)


def _same_sentence(document: Document, citation: Citation) -> bool:
    """Whether the sentence around the quote is the cited one, if that is known: "2015" alone proves
    little.
    """
    sentence = citation.sentence
    if citation.quote not in sentence:
        return True
    # the bytes that were cited: it may be half of a long sentence
    is_unchanged = bool(citation.sha256) and citation.sha256 == document.sha256
    is_whole = _is_of_whole_words if is_unchanged else _is_sentence
    earliest = citation.start + len(citation.quote) - len(sentence)
    places = _places(document.text, sentence, max(0, earliest), citation.start + len(sentence))
    return any(is_whole(document, place, sentence) for place in _within_time_limit(places))


def _is_of_whole_words(document: Document, start: int, part: str) -> bool:
    """Whether the part at `start` begins and ends between words."""
    text = document.text
    return not _is_in_word(text, start) and not _is_in_word(text, start + len(part))


def _is_in_word(text: str, offset: int) -> bool:
    """Whether the characters before and after an offset belong to one word."""
    pair = text[offset - 1 : offset + 1] if offset > 0 else ""
    return len(pair) == 2 and pair.replace("_", "a").isalnum()


def _is_sentence(document: Document, start: int, sentence: str) -> bool:
    """Whether the sentence at `start` is not part of a longer one: "Rent: 12000" does not contain
    "Rent: 1200". Very long ones may be cut where their passage ended.
    """
    sentence_start, sentence_end = sentence_around(document.blocks, start, start + len(sentence))
    return len(sentence) >= _CUT or document.text[sentence_start:sentence_end] == sentence.strip()


def _current_offset(document: Document, citation: Citation) -> int | None:
    """The place of the quote now: within its sentence, nearest to the old place; without a
    sentence, only if the quote is long.
    """
    text, quote, sentence = document.text, citation.quote, citation.sentence
    if not quote or quote not in sentence:
        is_long = len(quote) >= 20
        return next(_offsets_by_distance(text, quote, citation.start), None) if is_long else None
    offset = sentence.index(quote)
    for place in _within_time_limit(_offsets_by_distance(text, sentence, citation.start - offset)):
        if _is_sentence(document, place, sentence):
            return place + next(_offsets_by_distance(sentence, quote, citation.start - place))
    return None


def _offsets_by_distance(text: str, part: str, offset: int) -> Iterator[int]:
    """The places of a part, the nearest to `offset` first."""
    offset = max(0, min(offset, len(text)))
    for inner_edge in range(0, max(offset, len(text) - offset) + 1, _STEP):
        outer_edge = inner_edge + _STEP
        places = [*_places(text, part, offset + inner_edge, offset + outer_edge)]
        places += _places(text, part, max(0, offset - outer_edge), offset - inner_edge)
        yield from sorted(places, key=lambda place: abs(place - offset))


def _places(text: str, part: str, first: int, last: int) -> Iterator[int]:
    """The places of a part that begin in `text[first:last]`, in order."""
    end = last + len(part) - 1
    place = text.find(part, first, end) if first < last else -1
    while place >= 0:
        yield place
        place = text.find(part, place + 1, end)


def _within_time_limit(places: Iterator[int]) -> Iterator[int]:
    """The places, as long as it does not take too long. Raises InputError then."""
    until = time.thread_time() + _SECONDS
    for place in places:
        if time.thread_time() > until:
            message = f"the sentence occurs so often that it takes over {_SECONDS:g} s to check"
            raise InputError(message, "cite a longer sentence")
        yield place


def _most_similar_sentence(document: Document, citation: Citation) -> str | None:
    """The sentence near the old place that is most similar to the cited one."""
    start = min(citation.start, len(document.text))
    end = start + min(len(citation.quote), _WIDTH)
    sentences = sentences_in(document.blocks, max(0, start - _WIDTH), end + _WIDTH)
    texts = [
        document.text[sentence_start:sentence_end] for sentence_start, sentence_end in sentences
    ]
    cited = citation.sentence or citation.quote
    match = process.extractOne(cited, texts, scorer=fuzz.ratio, score_cutoff=100 * _MIN_LIKENESS)
    return match[0] if match else None


def citations(value: Any) -> list[Citation]:
    """Citations from JSON: an answer's, a list, or one, as `Citation.to_dict` makes them. Digest,
    sentence and what is only shown may be missing. Raises InputError for anything else.
    """
    if isinstance(value, Mapping) and "citations" in value:
        value = value["citations"]
    listed = value if isinstance(value, list) else [value]
    return [_citation(item) for item in listed]


def _citation(value: Any) -> Citation:
    try:
        marked = value["highlight"]
        start, end = marked["start_char_index"], marked["end_char_index"]
        citation = Citation(
            document_id=value["document_id"],
            title=str(value.get("title") or ""),
            headings=tuple(map(str, value.get("headings") or ())),
            source="",
            sha256=str(value.get("document_sha256") or ""),
            start=start,
            end=end,
            quote=marked["text"],
            sentence_start=value.get("start_char_index", start),
            sentence_end=value.get("end_char_index", end),
            sentence=str(value.get("cited_text") or ""),
        )
        if not (
            isinstance(citation.document_id, str)
            and isinstance(citation.quote, str)
            and type(start) is int
            and type(end) is int
            and 0 <= start <= end
        ):
            raise TypeError("document_id and text must be strings, the indexes offsets")
        return citation
    except (KeyError, TypeError, AttributeError) as error:
        hint = "give the output of `rag ask --json`, or citations as in that"
        message = f"not a citation: {str(value)[:80]}: {cause_of(error)}"
        raise InputError(message, hint) from error


# Values that were computed from cells

_MOST_OPERANDS = 20


@dataclass(frozen=True, slots=True)
class ComputedCheck:
    """Whether a computed value holds: `status` is "holds" or "differs", `detail` says why, and
    `now` is the line that the cells give today, or None.
    """

    status: str
    text: str
    detail: str
    now: str | None = None

    @property
    def holds(self) -> bool:
        return self.status == "holds"

    def to_dict(self) -> Json:
        return {"status": self.status, "text": self.text, "detail": self.detail, "now": self.now}


def computed_value(answer: Any) -> Mapping[str, Any] | None:
    """The computed value of an answer in JSON; None without one."""
    value = answer.get("value") if isinstance(answer, Mapping) else None
    is_computed = isinstance(value, Mapping) and value.get("kind") == KIND
    return value if is_computed else None


def verify_computed(
    store: Documents,
    value: Mapping[str, Any],
    citations: Sequence[Citation],
    checks: Sequence[CitationCheck],
) -> ComputedCheck:
    """Compute a value again from the cells that are cited, in their order, where `checks` found
    them. Raises InputError for an unknown operation or too many operands.
    """
    operation, text = str(value.get("operation")), str(value.get("text"))
    if operation not in OPERATIONS or len(citations) > _MOST_OPERANDS:
        message = f"not a computed value: {operation[:40]!r} of {len(citations)} cells"
        raise InputError(message, "give the value and the citations as `ask` returned them")

    facts: list[Fact] = []
    for citation, check in zip(citations, checks, strict=True):
        if check.start is None:
            return ComputedCheck("differs", text, f'the cell "{citation.quote}" is {check.status}')

        document = store.document(citation.document_id)
        fact = fact_at(document, check.start) if document else None
        if fact is None or fact.text != citation.quote:
            return ComputedCheck("differs", text, f'"{citation.quote}" is not a cell of a table')
        facts.append(fact)

    if reason := mismatch(facts):
        return ComputedCheck("differs", text, reason)

    result = computation(operation, facts)
    if result is None:
        return ComputedCheck("differs", text, f"the cells give no {operation}")
    if result.text != text or result.number != value.get("number"):
        return ComputedCheck("differs", text, "the cells give another result", result.text)

    count = len(facts)
    return ComputedCheck("holds", text, f"computed again from {count} cells", result.text)
