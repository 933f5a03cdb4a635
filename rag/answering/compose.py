"""Decides: the likeliest candidate is the answer, or it is refused ("not found") with a reason.

`rag.answering.proposals` makes the candidates, and `rag.answering.judge` gives their probabilities.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rag.answering.asked_codes import OF_ANOTHER, missing_code, of_another
from rag.answering.candidate import MAX_CITATIONS, Candidate, Said, said
from rag.answering.conflicts import agreeing_documents, conflicts
from rag.answering.forms import NEEDS_ALL
from rag.answering.judge import Ranks
from rag.answering.proposals import MOST_POINTED, span_candidate
from rag.answering.proposals import candidates as proposals_of
from rag.answering.question_parts import compared
from rag.answering.reading import Reading
from rag.answering.receipts import Asked, answer_digest
from rag.answering.spans import SpanGroup
from rag.filters import shown
from rag.meaning.relative_dates import document_date
from rag.meaning.words import FUNCTION_WORDS, normalize, singular_words
from rag.structure import pointed_to
from rag.types import LEAST_SHOWN, Alternative, Answer, Citation, Document, Place

MOST_ALTERNATIVES = 3
_LONGEST_GUESS = 80
_NUMBERING = re.compile(r"\(?\d+(?:\.\d+)*[.)]?|\(?[a-z][.)]", re.IGNORECASE)
_OF_A_CLAUSE = re.compile(
    r"(?:\A|\n)\s*|(?:section|clause|article|paragraph|chapter|part|page|see)\s+|§\s*",
    re.IGNORECASE,
)
"""What is before a number that numbers a part of a document: nothing, or the kind of part."""
_COMPARES = 0.5
"""Probability of a comparison from which on a side that is missing is named."""
_IN_SENTENCES = ("span", "sentences")
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


def rank(
    reading: Reading,
    judge: Ranks,
    form: str = "",
    proposed: Sequence[Candidate] = (),
) -> list[Ranked]:
    """All candidates with their probabilities, the likeliest first. `form` is one that a person
    chose; `proposed` are candidates from elsewhere: overviews, catalogues, figures of tables.
    """
    figures = [one for one in proposed if one.probability is not None]
    others = [one for one in proposed if one.probability is None]
    proposals = proposals_of(reading, form, others)
    probabilities = judge.probabilities(proposals, reading)
    ranked = [Ranked(*pair) for pair in zip(proposals, probabilities, strict=True)]
    for figure in figures:
        if form in ("", figure.form):
            ranked = _with_figure(ranked, figure, figure.probability or 0.0)
    ranked = _with_codes(ranked, reading)
    return sorted(ranked, key=lambda candidate: -candidate.probability)


def _with_codes(ranked: Sequence[Ranked], reading: Reading) -> list[Ranked]:
    """The candidates; those from documents without the code that the question names are unlikely
    ("error E7").
    """
    are_of_another = of_another(reading, [one.candidate for one in ranked])
    return [
        replace(one, probability=OF_ANOTHER * one.probability) if is_of_another else one
        for one, is_of_another in zip(ranked, are_of_another, strict=True)
    ]


def _with_figure(ranked: Sequence[Ranked], figure: Candidate, probability: float) -> list[Ranked]:
    """The candidates with a figure of a table. One that says the same is as likely as the likelier
    of both, and keeps what else supports it.
    """
    equals = [
        one
        for one in ranked
        if not figure.text
        and (one.candidate.form, one.candidate.verdict) == (figure.form, figure.verdict)
        and one.candidate.places[0].overlaps(figure.places[0])
    ]
    if not equals:
        return [*ranked, Ranked(figure, probability)]
    likeliest_equal = max(equals, key=lambda one: one.probability)
    likelier = replace(likeliest_equal, probability=max(likeliest_equal.probability, probability))
    return [likelier if one is likeliest_equal else one for one in ranked]


def compose(asked: Asked, reading: Reading, ranked: Sequence[Ranked], ruling: Ruling) -> Answer:
    """The likeliest candidate if its probability reaches the threshold; otherwise no answer and the
    reason.
    """
    winner = ranked[0] if ranked else None
    disputed: list[Ranked] = []
    if winner and winner.probability >= ruling.threshold:
        disputed = _conflicts(winner, reading, ruling)
        newest = _newest(winner, disputed, reading, ruling.threshold)
        disputed = [one for one in (winner, *disputed) if one is not newest] if disputed else []
        completed = _of_one_side(_led_on(newest.candidate, reading), reading)
        winner = replace(newest, candidate=completed)
        words, reason = said(winner.candidate, reading.documents), None
        others = _alternatives(ranked[1:], reading, ruling.alternatives, winner.candidate)
    else:
        words, reason = Said(), _why(asked, reading, winner, ruling)
        others = _alternatives(ranked, reading, ruling.alternatives + 1)
    return Answer(
        question=asked.question,
        understood=asked.understood,
        text=words.text,
        confidence=winner.probability if winner else 0.0,
        citations=words.citations,
        alternatives=others,
        hits=tuple(reading.hits),
        abstention_reason=reason,
        timings=asked.timings,
        conflicts=tuple(_alternative(one, reading) for one in disputed),
        value=words.value,
        receipt=asked.receipt(words.text, words.citations),
        documents=words.documents,
        passages_read=asked.read,
        form=winner.candidate.form if winner else "span",
        pieces=words.pieces,
        more=words.more,
    )


def together(answers: Sequence[Answer], names: Sequence[str] = ()) -> Candidate | None:
    """The sentences of several answers: in the order of the document that has all of them, or
    otherwise of the answers; None if one is missing, a longer list or an overview. With the `names`
    of the sides of a comparison, one sentence for each.
    """
    if not all(map(_is_in_sentences, answers)):
        return None
    if names:
        return _of_sides(answers, names)
    by_answer = [_cited(answer) for answer in answers]
    named = [{citation.document_id for citation in citations} for citations in by_answer]
    common = next(
        (c.document_id for c in by_answer[0] if c.document_id in set.intersection(*named)), ""
    )
    places = [
        Place(citation.document_id, citation.sentence_start, citation.sentence_end)
        for citations in by_answer
        for citation in (citations if common else citations[:1])
        if citation.document_id == common or not common
    ]
    if common:
        places.sort(key=lambda place: place.start)
    return Candidate("sentences", "together", tuple(dict.fromkeys(places)))


def _of_sides(answers: Sequence[Answer], names: Sequence[str]) -> Candidate | None:
    """One sentence for each side of a comparison; None if one is about the other side alone."""
    cited = [_cited(answer)[0] for answer in answers]
    about = [_sides_in([one], names) for one in cited]
    if about[0] == (False, True) or about[1] == (True, False):
        return None
    sides = [
        Place(one.document_id, one.sentence_start, one.sentence_end, name)
        for name, one in zip(names, cited, strict=True)
    ]
    if sides[0].overlaps(sides[1]):
        sides = [replace(sides[0], label=", ".join(names))]
    return Candidate("comparison", "together", tuple(sides))


def is_one_sided(answer: Answer, names: Sequence[str]) -> bool:
    """Whether an answer has words of one of the two sides of a comparison only."""
    has_one, has_other = _sides_in(answer.citations, names)
    return answer.form != "comparison" and has_one != has_other


def _sides_in(citations: Sequence[Citation], names: Sequence[str]) -> tuple[bool, bool]:
    """Whether citations have, with their headings, a word that only the first side has, and one
    that only the other has; both if a side has no such word.
    """
    quoted = [text for one in citations for text in (one.sentence, one.title, *one.headings)]
    words = singular_words(" ".join(quoted))
    one, other = (singular_words(name) for name in names)
    if not (one - other and other - one):
        return True, True
    return bool((one - other) & words), bool((other - one) & words)


def lone_part(answer: Answer, names: Sequence[str], parts: Sequence[Answer]) -> Candidate | None:
    """The sentences of the only part that has an answer, under its name; None if the whole question
    has an answer from elsewhere.
    """
    answered = [(name, part) for name, part in zip(names, parts, strict=True) if part.text]
    if len(answered) != 1 or not _is_in_sentences(answered[0][1]):
        return None
    (name, part), *_ = answered
    places = [
        Place(one.document_id, one.sentence_start, one.sentence_end, name.rstrip("?"))
        for one in _cited(part)[:1]
    ]
    given = [Place(one.document_id, one.start, one.end) for one in answer.citations]
    if answer.text and not all(any(one.overlaps(place) for place in places) for one in given):
        return None
    return Candidate("comparison", "together", tuple(places))


def _is_in_sentences(answer: Answer) -> bool:
    """Whether an answer is given, in a sentence or a few."""
    is_one_piece = answer.form in ("list", "yes_no") and len(answer.pieces) == 1
    return answer.text is not None and (answer.form in _IN_SENTENCES or is_one_piece)


def with_candidate(
    answer: Answer, candidate: Candidate, confidence: float, documents: Mapping[str, Document]
) -> Answer:
    """The answer in the words of another candidate."""
    words = said(candidate, documents)
    receipt = answer.receipt
    if receipt:
        digests = {name: document.sha256 for name, document in documents.items()}
        receipt = replace(
            receipt,
            answer=answer_digest(words.text, words.citations),
            documents={**receipt.documents, **digests},
        )
    others = [
        other
        for other in answer.alternatives
        if not any(
            Place(c.document_id, c.start, c.end).overlaps(place)
            for c in other.citations
            for place in candidate.places
        )
    ]
    return replace(
        answer,
        text=words.text,
        confidence=confidence,
        citations=words.citations,
        alternatives=tuple(others),
        abstention_reason=None,
        value=words.value,
        receipt=receipt,
        documents=words.documents,
        form=candidate.form,
        pieces=words.pieces,
        more=words.more,
    )


def _cited(answer: Answer) -> Sequence[Citation]:
    """Where the answer stands: words may stand in several documents."""
    if answer.form == "span":
        return answer.citations
    return [piece.citation for piece in answer.pieces]


def _led_on(candidate: Candidate, reading: Reading) -> Candidate:
    """An answer in sentences with the beginning of the section that it names ("see Reporting")."""
    if candidate.form != "sentences":
        return candidate
    pointed = [
        Place(place.document_id, *offsets)
        for place in candidate.places
        for offsets in pointed_to(reading.documents[place.document_id], place.start, place.end)[
            :MOST_POINTED
        ]
    ]
    added = [one for one in pointed if not any(one.overlaps(place) for place in candidate.places)]
    return replace(candidate, places=(*candidate.places, *dict.fromkeys(added)))


def _lone_side(reading: Reading) -> tuple[str, str] | None:
    """Of the two sides that a question compares, the one that passages are about, and the one that
    none has a word of its own of; None if there are not just these.
    """
    if reading.form_odds.get("comparison", 0.0) < _COMPARES:
        return None
    sides = compared(reading.question)
    if sides is None:
        return None
    names = sides.names
    found = " ".join(f"{hit.passage.context} {hit.passage.text}" for hit in reading.hits)
    words, in_text = [singular_words(name) for name in names], singular_words(found)
    own_words = [own - other for own, other in zip(words, words[::-1], strict=True)]
    if not all(own_words):
        return None
    has_own = [bool(own & in_text) for own in own_words]
    if has_own == [True, False]:
        return names[0], names[1]
    return (names[1], names[0]) if has_own == [False, True] else None


def _of_one_side(candidate: Candidate, reading: Reading) -> Candidate:
    """Sentences that answer half of a comparison, labelled with the side that they are about."""
    lone = _lone_side(reading) if candidate.form == "sentences" else None
    if lone is None:
        return candidate
    places = tuple(replace(place, label=lone[0]) for place in candidate.places)
    return replace(candidate, form="comparison", places=places)


def _why(asked: Asked, reading: Reading, refused: Ranked | None, ruling: Ruling) -> str:
    """Why the best candidate is refused. Guesses below LEAST_SHOWN are not worth reading."""
    if asked.query.filter and not reading.hits:
        return f"no document matches {shown(asked.query.filter)}"
    if refused is None:
        return "no passage in the index is relevant"
    odds = reading.form_odds
    if odds and max(odds, key=lambda name: odds[name]) == NEEDS_ALL:
        return ALL_NEEDED
    if lone := _lone_side(reading):
        return f'nothing was found about "{lone[1]}", only about "{lone[0]}"'
    if code := missing_code(reading):
        return f'nothing was found about "{code}"'
    if refused.probability < LEAST_SHOWN or not says_something(refused.candidate):
        return "no passage answers it"
    guess = " ".join(refused.candidate.pieces(reading.documents)[0].text.split())
    guess = guess if len(guess) <= _LONGEST_GUESS else guess[: _LONGEST_GUESS - 1] + "…"
    return f'best guess "{guess}" ({refused.probability:.0%}, needs {ruling.threshold:.0%})'


def _alternatives(
    ranked: Sequence[Ranked], reading: Reading, count: int, instead: Candidate | None = None
) -> tuple[Alternative, ...]:
    """The likeliest candidates that say something, and quote other words than `instead` and than
    each other.
    """
    chosen: list[Ranked] = []
    quoted = [instead] if instead else []
    for candidate in ranked:
        if len(chosen) == count:
            break
        if not says_something(candidate.candidate):
            continue
        if not any(candidate.candidate.overlaps(shown_before) for shown_before in quoted):
            chosen.append(candidate)
            quoted.append(candidate.candidate)
    return tuple(_alternative(candidate, reading) for candidate in chosen)


def says_something(candidate: Candidate) -> bool:
    """Whether a person may take it for an answer: not a span like "until", or the "2.1" of a
    clause.
    """
    if candidate.span is None:
        return True
    span = candidate.span.best.span
    if FUNCTION_WORDS.issuperset(normalize(span.text).split()):
        return False
    if not _NUMBERING.fullmatch(span.text.strip()):
        return True
    before, after = span.hit.passage.text[: span.start], span.hit.passage.text[span.end :]
    stands_before = [*_OF_A_CLAUSE.finditer(before)]
    is_numbering = bool(stands_before) and stands_before[-1].end() == len(before)
    return not (is_numbering and re.match(r"[.)]?\s+[^\W\d]", after))


def _alternative(ranked: Ranked, reading: Reading) -> Alternative:
    words = said(ranked.candidate, reading.documents)
    return Alternative(
        text=words.text or "",
        confidence=ranked.probability,
        citations=words.citations[:MAX_CITATIONS],
        documents=words.documents,
        verdict=ranked.candidate.verdict,
    )


def _conflicts(best: Ranked, reading: Reading, ruling: Ruling) -> list[Ranked]:
    """Values of other documents that contradict the answer, as candidates, the likeliest first.
    Each is judged as if the answer's had not been found.
    """
    given = value_of(best.candidate, reading)
    if given is None:
        return []
    remaining = reading.without(given)

    def judged(groups: Sequence[SpanGroup]) -> Sequence[float]:
        return ruling.judge.probabilities([span_candidate(group) for group in groups], remaining)

    found = conflicts(reading, given, best.probability, judged)
    candidates = [span_candidate(group) for group in found]
    probabilities = judged(found) if found else []
    return [Ranked(*pair) for pair in zip(candidates, probabilities, strict=True)]


def value_of(candidate: Candidate, reading: Reading) -> SpanGroup | None:
    """The value of an answer: its span, or the best one in its sentences."""
    if candidate.span or candidate.form not in ("sentences", "yes_no"):
        return candidate.span
    for group in reading.spans:
        if any(place.overlaps(span_candidate(group).places[0]) for place in candidate.places):
            return group
    return None


def _newest(best: Ranked, disputed: Sequence[Ranked], reading: Reading, least: float) -> Ranked:
    """The answer, or what a document of a later day says instead, if that is as likely as an answer
    has to be, and no fewer documents say it.
    """
    given = value_of(best.candidate, reading)
    if given is None or best.candidate.form == "yes_no" or not _day(best, reading):
        return best
    supporting = agreeing_documents(given)
    later = [
        one
        for one in disputed
        if one.probability >= least
        and one.candidate.span is not None
        and agreeing_documents(one.candidate.span) >= supporting
    ]
    return max((best, *later), key=lambda one: _day(one, reading))


def _day(ranked: Ranked, reading: Reading) -> str:
    """The day of the document that is quoted, in ISO 8601, or ""."""
    document = reading.documents[ranked.candidate.places[0].document_id]
    day = document_date(document.metadata, document.text)
    return day.isoformat() if day else ""
