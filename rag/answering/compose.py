"""Composes the answer: the candidate that most likely serves, or a refusal with its reason; and the
answers that contradict it.

Different values may be about different things. A conflict therefore needs a date, a figure or a
denial, and either a sentence about the same subject as the first answer's sentence, or a text that
says that accounts differ.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.answering.candidate import Candidate, cite_all, independent, joined
from rag.answering.forms import NEEDS_ALL
from rag.answering.judge import Ranks
from rag.answering.proposals import candidates
from rag.answering.reading import Reading
from rag.answering.spans import Mention, QuestionAnalysis, SpanGroup, value
from rag.meaning.compare import Relation, compare
from rag.meaning.relative_dates import document_date
from rag.meaning.words import YEARS, content_words, normalize
from rag.types import LEAST_SHOWN, Alternative, Answer, Citation, Document, Piece, Value

_MOST_RIVALS = 8
"""Number of groups that are compared with the first."""
_MIN_COVERAGE = 0.5
"""Minimum share of the question's words in the sentence and context of a conflict."""
_MIN_SHARED = 0.5
"""The shorter sentence shares more than this fraction of its words with the other."""
_DIFFER = re.compile(
    r"\b(?:others?|differs?|disagrees?|disagreement|disputed"
    r"|some (?:\w+ )?(?:say|give|put|count|place|date|speak|start|profiles|sources|accounts|authors"
    r"|reports)|(?:accounts|sources|figures|counts|reports|estimates) vary)\b",
    re.IGNORECASE,
)
"""Words that say that accounts differ."""
_NEARBY = 250
"""Number of characters around an answer in which these words count."""


def conflicts(analysis: QuestionAnalysis, ranked: Sequence[SpanGroup]) -> list[SpanGroup]:
    """The groups, of those ranked best first, that contradict the first one."""
    best, *rivals = ranked
    return [rival for rival in rivals[:_MOST_RIVALS] if _contradicts(analysis, best, rival)]


def _contradicts(analysis: QuestionAnalysis, best: SpanGroup, rival: SpanGroup) -> bool:
    first, second = best.best, rival.best
    if compare(first.meaning, second.meaning) is not Relation.CONTRADICTS or second.span.score <= 0:
        return False
    if first.meaning.key == second.meaning.key:  # one affirms it, the other denies it
        return True
    if _is_said_to_differ(first, second):
        return True
    if _is_beside(first, second) or _is_of_other_years(analysis, first, second):
        return False
    own = content_words(first.sentence_text) - content_words(first.span.text)
    second_words = content_words(second.sentence_text) - content_words(second.span.text)
    alike = len(own & second_words) > _MIN_SHARED * min(len(own), len(second_words))
    around = analysis.words & content_words(
        f"{second.span.hit.passage.context} {second.sentence_text}"
    )
    about = analysis.words & own <= around and len(around) >= _MIN_COVERAGE * len(analysis.words)
    return about and alike


def _is_said_to_differ(first: Mention, second: Mention) -> bool:
    """Whether both are in one passage that says nearby that accounts differ."""
    passage, start = first.span.hit.passage, min(first.span.start, second.span.start)
    if passage != second.span.hit.passage:
        return False
    end = max(first.span.end, second.span.end)
    return bool(_DIFFER.search(passage.text[max(0, start - _NEARBY) : end + _NEARBY]))


def _is_beside(first: Mention, second: Mention) -> bool:
    """Whether one sentence contains both answers, which are then about different things."""
    pairs = ((first, second), (second, first))
    return any(f" {normalize(a.span.text)} " in f" {normalize(b.sentence_text)} " for a, b in pairs)


def _is_of_other_years(analysis: QuestionAnalysis, first: Mention, second: Mention) -> bool:
    """Whether both sentences name years besides the answer, without a year in common or one that
    the question names.
    """
    if first.meaning.date:
        return False
    years, second_years = (
        frozenset(YEARS.findall(mention.sentence_text)) for mention in (first, second)
    )
    return (
        bool(years and second_years)
        and not years & second_years
        and not (years | second_years) & analysis.words
    )


MAX_CITATIONS = 5
MOST_ALTERNATIVES = 3
_LONGEST_GUESS = 80
ALL_NEEDED = (
    "this needs all passages (a sum, a count or a comparison over everything), but "
    "only the nearest are read"
)


@dataclass(frozen=True, slots=True)
class Ruling:
    """The judge, the probability that an answer needs, and how many alternatives are shown."""

    judge: Ranks
    threshold: float
    alternatives: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate and the probability that it serves."""

    candidate: Candidate
    probability: float


def compose(
    reading: Reading,
    rarity: Mapping[str, float],
    ruling: Ruling,
    timings: Mapping[str, float],
    form: str = "",
    proposed: Sequence[Candidate] = (),
) -> Answer:
    """The likeliest candidate if its probability reaches the threshold; otherwise no answer and the
    reason. `proposed` are candidates from elsewhere: overviews and catalogues. `form` is one that a
    person chose.
    """
    ranked = rank(reading, rarity, ruling.judge, form, proposed)
    if not ranked:
        return _refused(reading, (), timings, "no passage in the index is relevant")
    best, *others = ranked
    if best.probability < ruling.threshold:
        return _refused(reading, ranked, timings, _why(reading, best, ruling), ruling.alternatives)
    return _given(reading, best, others, rarity, ruling, timings)


def rank(
    reading: Reading,
    rarity: Mapping[str, float],
    judge: Ranks,
    form: str = "",
    proposed: Sequence[Candidate] = (),
) -> list[Ranked]:
    """All candidates with their probabilities, the likeliest first."""
    proposals = candidates(reading, form, proposed)
    probabilities = judge.probabilities(proposals, reading, rarity)
    ranked = [Ranked(*pair) for pair in zip(proposals, probabilities, strict=True)]
    return sorted(ranked, key=lambda candidate: -candidate.probability)


def _given(
    reading: Reading,
    best: Ranked,
    others: Sequence[Ranked],
    rarity: Mapping[str, float],
    ruling: Ruling,
    timings: Mapping[str, float],
) -> Answer:
    candidate = best.candidate
    pieces = candidate.pieces(reading.documents)
    citations = _citations(candidate, pieces, reading.documents)
    if candidate.form == "span":
        pieces = (Piece(citations[0]),)
    return Answer(
        reading.question,
        candidate.text or joined(candidate.form, pieces, candidate.lead),
        best.probability,
        citations[:MAX_CITATIONS] if candidate.span else citations,
        _alternatives(others, reading, ruling.alternatives, candidate),
        tuple(reading.hits),
        None,
        timings,
        conflicts=_conflicts(candidate.span, reading, rarity, ruling),
        value=_value(candidate, pieces, reading.documents),
        documents=_documents(candidate, citations),
        form=candidate.form,
        pieces=pieces,
        more=candidate.more,
    )


def _refused(
    reading: Reading,
    ranked: Sequence[Ranked],
    timings: Mapping[str, float],
    reason: str,
    count: int = 0,
) -> Answer:
    best = ranked[0] if ranked else None
    return Answer(
        reading.question,
        None,
        best.probability if best else 0.0,
        (),
        _alternatives(ranked, reading, count + 1),
        tuple(reading.hits),
        reason,
        timings,
        form=best.candidate.form if best else "span",
    )


def _why(reading: Reading, best: Ranked, ruling: Ruling) -> str:
    """Why the best candidate is not given. Guesses below LEAST_SHOWN are not worth reading."""
    likely = reading.form_odds
    if likely and max(likely, key=lambda name: likely[name]) == NEEDS_ALL:
        return ALL_NEEDED
    if best.probability < LEAST_SHOWN:
        return "no passage answers it"
    guess = " ".join(best.candidate.pieces(reading.documents)[0].text.split())
    shown = guess if len(guess) <= _LONGEST_GUESS else guess[: _LONGEST_GUESS - 1] + "…"
    return f'best guess "{shown}" ({best.probability:.0%}, needs {ruling.threshold:.0%})'


def _alternatives(
    ranked: Sequence[Ranked], reading: Reading, count: int, instead: Candidate | None = None
) -> tuple[Alternative, ...]:
    """The likeliest candidates that quote other words than `instead` and than each other."""
    chosen: list[Ranked] = []
    quoted = [instead] if instead else []
    for candidate in ranked:
        if len(chosen) == count:
            break
        if not any(candidate.candidate.overlaps(shown_before) for shown_before in quoted):
            chosen.append(candidate)
            quoted.append(candidate.candidate)
    return tuple(_alternative(candidate, reading) for candidate in chosen)


def _alternative(ranked: Ranked, reading: Reading) -> Alternative:
    pieces = ranked.candidate.pieces(reading.documents)
    citations = _citations(ranked.candidate, pieces, reading.documents)
    text = ranked.candidate.text or joined(ranked.candidate.form, pieces, ranked.candidate.lead)
    return Alternative(
        text, ranked.probability, citations[:MAX_CITATIONS], _documents(ranked.candidate, citations)
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


def _conflicts(
    group: SpanGroup | None, reading: Reading, rarity: Mapping[str, float], ruling: Ruling
) -> tuple[Alternative, ...]:
    """Values that contradict a span and would be given without it."""
    if group is None:
        return ()
    others = [one for one in reading.spans if one is not group]
    rivals = conflicts(reading.analysis, [group, *others])
    if not rivals:
        return ()
    ranked = {
        one.candidate.span.meaning: one
        for one in rank(reading.without(group), rarity, ruling.judge, "span")
        if one.candidate.span
    }
    return tuple(
        _alternative(one, reading)
        for rival in rivals
        if (one := ranked.get(rival.meaning)) and one.probability >= ruling.threshold
    )


def _value(
    candidate: Candidate, pieces: Sequence[Piece], documents: Mapping[str, Document]
) -> Value | None:
    """The typed value; the document's day resolves relative dates."""
    if candidate.verdict is not None:
        return Value("boolean", pieces[0].text, yes=candidate.verdict)
    if candidate.span is None:
        return None
    best = candidate.span.best
    document = documents.get(best.span.hit.passage.document_id)
    return value(best, document_date(document.metadata, document.text) if document else None)
