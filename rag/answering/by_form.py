"""Composes the answer in the form that the question wants."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rag.answering import comparing, form_confidence
from rag.answering.answer import AbstentionPolicy, compose, unsure
from rag.answering.citations import quoted
from rag.answering.form_confidence import FormConfidence
from rag.answering.forms import NEEDS_ALL
from rag.answering.lists import MOST, after_colon, list_at, matching_rows, rows_at
from rag.answering.outcome import given, refused
from rag.answering.selection import Sentence, around, chosen, is_next, ranked, said, sentences_of
from rag.meaning.sentences import Offsets
from rag.meaning.text import normalize
from rag.protocols import ReaderOutput, Verdict
from rag.types import Alternative, Answer, Document, Hit, Piece

_ANOTHER_LIST = 0.8
"""A second list is shown with the first where its sentence has so much of the first's score."""
_LIST_SHARE = 0.4
"""A list is shown where one of its sentences has so much of the best sentence's score."""
_BESIDE = 1000
"""Characters between a sentence and the list that it is shown with."""
_PERHAPS_A_LIST = 0.05
_SURE_ITEM, _SURE_ITEMS = 0.5, 2
"""A list is the answer instead of a span if the question wants one with this probability, and so
many of its items have this score.
"""
_COMPARED = 0.15
"""Least mean score of the sentences on both sides of a comparison, each of which names its side."""
_BOUND = 0.5
"""Least score of the sentence after the one that says yes or no, which may bind it."""
_SAYS = re.compile(r"(?:yes|no)(?=[,.!:;]| -)(?!\.? ?\d)", re.IGNORECASE)
"""The document's own yes or no; "No. 7" is a number."""
ALL_NEEDED = (
    "this needs all passages (a sum, a count or a comparison over everything), but "
    "only the nearest are read"
)


@dataclass(frozen=True)
class Read:
    """A question, its passages, the reader's output, and their documents by id; for a comparison,
    the name of each side with the reader's output for its own question.
    """

    question: str
    form: str
    hits: Sequence[Hit]
    output: ReaderOutput
    documents: Mapping[str, Document]
    sides: tuple[tuple[str, ReaderOutput], ...] = ()
    likely: Mapping[str, float] = field(default_factory=dict)
    """Probability of each form, by the form classifier."""

    @functools.cached_property
    def scored(self) -> list[Sentence]:
        """The sentences with a score, best first, without headings."""
        found = [s for s in sentences_of(self.output) if _is_valid(s, self.documents)]
        return said(ranked(found, self.hits), self.documents)

    def text(self, sentence: Sentence) -> str:
        """The words of a sentence."""
        return self.documents[sentence.document_id].text[sentence.start : sentence.end]


def answer(
    read: Read,
    rule: AbstentionPolicy,
    timings: Mapping[str, float],
    models: Mapping[str, FormConfidence],
) -> Answer:
    """The answer in the wanted form, or in the nearest one that the reader's output allows; or a
    refusal with its reason.
    """
    spans = compose(read.question, read.hits, read.output.spans, read.documents.get, rule, timings)
    if read.form == NEEDS_ALL:
        return refused(spans, "span", ALL_NEEDED)
    if read.form in ("span", "sentences") and _is_list(read):
        read = replace(read, form="list")
    made = _in_form(read, spans, rule, models) if read.form != "span" else None
    if made is None:
        made = replace(spans, pieces=tuple(Piece(citation) for citation in spans.citations[:1]))
    return made if made.text is not None else replace(made, alternatives=_distinct(made))


def _is_list(read: Read) -> bool:
    """Whether several items of one list, or several rows of a table with the question's words,
    answer a question that need not want a span.
    """
    if read.likely.get("list", 0) + read.likely.get("steps", 0) < _PERHAPS_A_LIST:
        return False
    if read.scored and _has_many_rows(read, read.scored[0]):
        return True
    sure = [one for one in read.scored if one.score >= _SURE_ITEM]
    if len(sure) < _SURE_ITEMS:
        return False
    first = sure[0]
    items = list_at(read.documents[first.document_id], first.start, first.end)
    return sum(_in(one, items, first.document_id) for one in sure) >= _SURE_ITEMS


def _has_many_rows(read: Read, best: Sentence) -> bool:
    """Whether the best sentence is one of several rows, but not all, with the question's words."""
    document = read.documents[best.document_id]
    rows = rows_at(document, best.start)
    matching = matching_rows(read.question, document.text, rows)
    return _in(best, matching, best.document_id) and 1 < len(matching) < len(rows)


def _distinct(refused: Answer) -> tuple[Alternative, ...]:
    """The candidates of a refusal, one per sentence, since they are shown by their sentence."""
    by_sentence: dict[str, Alternative] = {}
    for one in refused.alternatives:
        by_sentence.setdefault(normalize(one.citations[0].sentence), one)
    return tuple(by_sentence.values())


def _in_form(
    read: Read, spans: Answer, rule: AbstentionPolicy, models: Mapping[str, FormConfidence]
) -> Answer | None:
    """None if only a span is possible."""
    if read.form == "comparison" and len(read.sides) == 2:
        return _comparison(read, spans, rule, models)
    if read.form == "yes_no" and read.output.verdicts:
        return _yes_no(read, spans, rule, models) or _quoted(read, spans, rule, models)
    return _quoted(read, spans, rule, models)


def _quoted(
    read: Read, spans: Answer, rule: AbstentionPolicy, models: Mapping[str, FormConfidence]
) -> Answer | None:
    """Sentences, or the list that contains them."""
    found = read.scored or _around_best(spans, read, spans.confidence)
    if not found:
        return None
    listed = _items(read, found) if read.form in ("steps", "list") else []
    confidence, least = spans.confidence, rule.threshold
    if read.scored:
        model = models["list" if listed else "sentences"]
        score = _any_of(found, listed) if listed else found[0].score
        words = len(read.text(found[0]).split())
        verdicts = read.output.verdicts
        confidence = model(
            form_confidence.of_sentences(found[0], words, score, verdicts, confidence)
        )
        least = model.threshold if rule.calibrated else rule.threshold
    if read.form == "list" and not listed and spans.text is not None:
        return None  # "Which agency ...?" wants a name; without a list, the span in its sentence
    form = read.form if listed else "sentences"
    pieces = listed[:MOST] or _sentences(chosen(found, read.documents), read.documents)
    if confidence < least:
        return refused(spans, form, unsure(pieces[0].text, confidence, least), confidence, pieces)
    return given(spans, form, pieces, confidence, more=max(0, len(listed) - MOST))


def _any_of(found: Sequence[Sentence], listed: Sequence[Piece]) -> float:
    """The probability that at least one sentence of the items belongs to the answer, if they were
    independent.
    """
    cited = [piece.citation for piece in listed]
    return 1 - math.prod(
        1 - one.score
        for one in found
        if any(_in(one, [(c.start, c.end)], c.document_id) for c in cited)
    )


def _is_valid(sentence: Sentence, documents: Mapping[str, Document]) -> bool:
    return sentence.hit.passage.is_in(documents.get(sentence.document_id))


def _sentences(taken: Sequence[Sentence], documents: Mapping[str, Document]) -> list[Piece]:
    pieces: list[Piece] = []
    for one in taken:
        document = documents[one.document_id]
        end = pieces[-1].citation.end if pieces else one.start
        if one.start < end:
            continue  # it followed a colon
        gap = bool(pieces) and not is_next(document.text, end, one.start)
        pieces.append(Piece(quoted(document, one.start, one.end), gap))
        for place in after_colon(document, one.start, one.end):
            pieces.append(Piece(quoted(document, *place)))
    return pieces


def _items(read: Read, found: Sequence[Sentence]) -> list[Piece]:
    """The items of the list that contains the best sentence in a list, after the best of all if
    that is near but in none, and of lists whose sentences score nearly as well; each item once.
    Steps are one list.
    """
    seen: set[str] = set()
    pieces: list[Piece] = []
    first = found[0]
    for one in found[:MOST]:
        if one.score < (_ANOTHER_LIST if pieces else _LIST_SHARE) * first.score:
            break
        document = read.documents[one.document_id]
        items = list_at(document, one.start, one.end)
        if not items and read.form == "list":
            rows = rows_at(document, one.start)
            items = matching_rows(read.question, document.text, rows)
        words = {place: normalize(document.text[slice(*place)]) for place in items}
        fresh = [place for place in items if words[place] not in seen]
        seen.update(words.values())
        if fresh and not pieces and one is not first and not _in(first, items, one.document_id):
            if one.document_id == first.document_id and _near(first, items):
                pieces = _sentences([first], read.documents)
            elif one.score < _ANOTHER_LIST * first.score:
                continue
        pieces += [Piece(quoted(document, *place)) for place in fresh]
        if fresh and read.form == "steps":
            break
    return pieces


def _in(sentence: Sentence, places: Sequence[Offsets], document_id: str) -> bool:
    return sentence.document_id == document_id and any(
        start <= sentence.start < end for start, end in places
    )


def _near(sentence: Sentence, items: Sequence[Offsets]) -> bool:
    """Whether a sentence of the same document is a little before or after a list, or in it."""
    return items[0][0] - _BESIDE < sentence.start < items[-1][1] + _BESIDE


def _yes_no(
    read: Read, spans: Answer, rule: AbstentionPolicy, models: Mapping[str, FormConfidence]
) -> Answer | None:
    """The most confident verdict of any passage, with the sentence that supports it; None if the
    confidence is too low, so that only sentences are quoted.
    """
    decision = form_confidence.decide(read.output.verdicts)
    model = models["yes_no"]
    features = form_confidence.of_decision(decision, read.scored, spans.confidence)
    confidence = min(decision.most, model(features))
    least = model.threshold if rule.calibrated else rule.threshold
    pieces = _said_by(read, decision.verdict)
    if not pieces or confidence < least:
        return None
    said = _SAYS.match(pieces[0].text)  # the document's own word counts more than the verdict
    yes = said[0].lower() == "yes" if said else decision.yes
    lead = "Yes." if yes else "No."
    return given(spans, "yes_no", pieces, confidence, lead)


def _said_by(read: Read, verdict: Verdict) -> list[Piece]:
    """The best sentence of the verdict's passage, and the next one if it states a condition."""
    passage = verdict.hit.passage
    found = [s for s in read.scored if s.hit.passage == passage]
    if not found:
        return []
    text = read.documents[found[0].document_id].text
    after = [s for s in found[1:] if is_next(text, found[0].end, s.start) and s.score >= _BOUND]
    return _sentences([found[0], *after[:1]], read.documents)


def _around_best(spans: Answer, read: Read, score: float) -> list[Sentence]:
    """The sentences around the best span, whether or not the span is given."""
    best = spans.citations or (spans.alternatives[0].citations if spans.alternatives else ())
    found = around(best[0], read.hits, score) if best else []
    return [s for s in found if _is_valid(s, read.documents)]


def _comparison(
    read: Read, spans: Answer, rule: AbstentionPolicy, models: Mapping[str, FormConfidence]
) -> Answer | None:
    """One piece for each side: the best sentence that mentions it; one for both if it is the
    same. If a side has none, the answer is the sentences that fit the whole question.
    """
    names = [name for name, _ in read.sides]
    found = [
        replace(read, output=output).scored or comparing.from_spans(output)
        for _, output in read.sides
    ]
    sides = comparing.sides(
        [comparing.related(one, read.scored) for one in found], names, read.documents
    )
    if not any(sides):
        return None
    missing = [name for name, one in zip(names, sides, strict=True) if one is None]
    if missing:
        instead = _quoted(replace(read, form="sentences"), spans, rule, models)
        if instead and instead.text is not None:
            return instead
    labels: dict[Sentence, list[str]] = {}
    for name, one in zip(names, sides, strict=True):
        if one:
            labels.setdefault(one, []).append(name)
    pieces = [
        Piece(quoted(read.documents[one.document_id], one.start, one.end), label=", ".join(about))
        for one, about in labels.items()
    ]
    scores = [one.score for one in sides if one]
    confidence = sum(scores) / len(scores)
    if missing or confidence < _COMPARED:
        reason = unsure(pieces[0].text, confidence, _COMPARED)
        what = f'nothing was found on "{missing[0]}"' if missing else reason
        return refused(spans, "comparison", what, confidence, pieces)
    return given(spans, "comparison", pieces, confidence)
