"""What contradicts an answer, and what stands beside it.

Two values that differ are no disagreement where they are told of different things, so an answer
dissents only where its evidence speaks of all that the first answer's evidence speaks of among what
is asked, or where the text itself says that accounts differ.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence

from rag.answering.accounts import DIFFER, TELLS, of_another, told_beside
from rag.answering.candidates import Candidate
from rag.answering.equivalence import NUMERIC, Meaning, Relation, meaning, relation, say_the_same
from rag.answering.features import Asked
from rag.english.answer_types import fits, several
from rag.english.sentences import Offsets, enclosing_sentence
from rag.english.text import content_words, normalize
from rag.types import Span

Sure = Callable[[Candidate, Sequence[Candidate]], float]
"""The confidence of a candidate among others."""
Others = list[tuple[Candidate, float]]
_LOOK_AT = 12
_APART = (Relation.CONTRARY, Relation.UNRELATED)
_ABOUT, _ABOUT_CLOSE = 0.75, 0.6
"""Least share of the question's words that dissenting evidence speaks of; where it gives a day
within a week of the first's, less is enough, as such days are hardly those of two things."""
_ALIKE = 0.5
"""Least likeness of two sentences that name different people or places for the same thing."""
_LONG_NAME = re.compile(r"(?<!^)\b[A-Z]\w+(?: (?:(?:of|the|and|for|on) )*[A-Z]\w+)+")
_OF = re.compile(r"\b(\w+) of (?:the |its |their |an? )?(\w+)")
_NEAR = 250
"""Characters before and after a span in which a text says that accounts differ."""


def beside(
    asked: Asked, ranked: Sequence[Candidate], sure: Sure, threshold: float
) -> tuple[Others, Others]:
    """(what contradicts the first candidate, what else there is where several things are asked
    for), each with its confidence.

    Only what would be given as the answer if the first and what agrees with it were not there, and
    what the text itself sets beside the first as another's account, which is then as sure as the
    first.
    """
    best, *rest = ranked
    many = several(asked.text)
    conflicts, parts = _told(asked, ranked, sure), Others()
    for candidate in rest[:_LOOK_AT]:
        how = relation(best.meaning, candidate.meaning)
        same_type = (best.meaning.quantity is None) == (candidate.meaning.quantity is None)
        is_part = (
            many
            and how in _APART
            and same_type
            and not candidate.meaning.negated
            and _of_the_list(asked, best, candidate)
        )
        if not (
            is_part or (how is Relation.CONTRARY and _dissents(asked, best, candidate))
        ) or not _fitting(asked, best, candidate):
            continue
        alone = [
            c
            for c in ranked
            if c is candidate
            or (c.score < candidate.score and relation(c.meaning, best.meaning) in _APART)
        ]
        confidence = sure(candidate, alone)
        if confidence >= threshold and all(other is not candidate for other, _ in conflicts):
            (parts if is_part else conflicts).append((candidate, confidence))
    return conflicts, parts


def _of_the_list(asked: Asked, best: Candidate, other: Candidate) -> bool:
    """Whether it stands in the first's sentence, or in one that speaks of what that does among what
    is asked.
    """
    first, second = best.spans[0], other.spans[0]
    together = _same_passage(first, second) and _bounds(first) == _bounds(second)
    return together or _about_all(asked, first, second, 0.0)


def _told(asked: Asked, ranked: Sequence[Candidate], sure: Sure) -> Others:
    """What the passages of the first candidate tell as others' accounts, with all that says the
    same.
    """
    best = ranked[0]
    if asked.kind != "date" and asked.kind not in NUMERIC:
        return []
    others = list[Candidate]()
    for span in best.spans:
        for start, end in told_beside(asked, span.hit.passage.text, span.start, span.end):
            told = Span(span.hit, start, end, span.score)
            said = meaning(told, asked.kind)
            if _other_account(best.meaning, said) and not any(
                say_the_same(said, other.meaning) for other in others
            ):
                known = (
                    c
                    for c in ranked[1:]
                    if say_the_same(said, c.meaning) and _other_account(best.meaning, c.meaning)
                )
                others.append(next(known, Candidate(said, (told,), best.score)))
    return [(other, sure(best, ranked)) for other in others]


def _other_account(one: Meaning, other: Meaning) -> bool:
    """Whether only one of them can hold; of counted things, "627 dead" and "1,190 people", whatever
    each calls them.
    """
    how = relation(one, other)
    counted = all(m.quantity is not None and m.quantity.kind == "number" for m in (one, other))
    return how is Relation.CONTRARY or (how is Relation.UNRELATED and counted)


def _fitting(asked: Asked, best: Candidate, other: Candidate) -> bool:
    """Whether the reader finds it an answer, of the kind wanted as much as the first, and not words
    of the question.
    """
    span = other.spans[0]
    kind = fits(asked.kind, span.text) >= fits(asked.kind, best.spans[0].text)
    return span.score > 0 and kind and bool(content_words(span.text) - asked.words)


def _dissents(asked: Asked, best: Candidate, other: Candidate) -> bool:
    first, second = _sentence(best.spans[0]), _sentence(other.spans[0])
    valued = asked.kind == "date" or asked.kind in NUMERIC
    if _of_other_kinds(best.meaning, other.meaning):
        return False
    if best.meaning.key == other.meaning.key:  # one says it, the other denies it
        return True
    if of_another(asked, other.spans[0].hit.passage.text, _bounds(other.spans[0]), first):
        return False
    if _names_another(asked, best.spans[0], other.spans[0]) or _of_other_things(
        asked, first, second
    ):
        return False
    if asked.kind != "date" and _of_other_years(asked, first, second):
        return False
    both_in_one = _says(first, other) or _says(second, best)
    if both_in_one or _same_passage(best.spans[0], other.spans[0]):
        both_told = not both_in_one and bool(TELLS.search(first) and TELLS.search(second))
        return valued and (
            both_told
            or bool(DIFFER.search(_around(best.spans[0])) or DIFFER.search(_around(other.spans[0])))
        )
    about = _ABOUT_CLOSE if _within_a_week(best, other) else _ABOUT
    return _about_all(asked, best.spans[0], other.spans[0], about) and (
        valued or _alike(best, other) >= _ALIKE
    )


def _of_other_kinds(one: Meaning, other: Meaning) -> bool:
    """Whether both say what their figure is of, and that is not the same: "six months", "one week's
    notice".
    """
    if one.quantity is None or other.quantity is None:
        return False
    first, second = content_words(one.quantity.rest), content_words(other.quantity.rest)
    return first != second and not first & second


def _names_another(asked: Asked, first: Span, second: Span) -> bool:
    """Whether the second names what has all words of a name asked about, and others between them:
    "Joint Comprehensive Plan of Action" is not the "Joint Plan of Action" that the first speaks
    of."""
    told, other = (
        f"{span.hit.passage.context} {_sentence(span)}".lower() for span in (first, second)
    )
    names = [match[0].lower() for match in _LONG_NAME.finditer(asked.text)]
    return any(
        name in told and name not in other and content_words(name) <= content_words(other)
        for name in names
    )


def _of_other_things(asked: Asked, first: str, second: str) -> bool:
    """Whether the same word of the question is told of different things: "the rent of the flat",
    "the rent of the garage".
    """
    of_first, of_second = (
        {match[1].lower(): match[2].lower() for match in _OF.finditer(text)}
        for text in (first, second)
    )
    shared = [
        head for head in of_first.keys() & of_second.keys() if content_words(head) & asked.words
    ]
    told = [(of_first[head], of_second[head]) for head in shared]
    return any(
        one != other and not content_words(f"{one} {other}") & asked.words for one, other in told
    )


def _of_other_years(asked: Asked, first: str, second: str) -> bool:
    """Whether both sentences name years, none of them in both and none of them asked for."""
    years, others = (frozenset(re.findall(r"\b(?:1\d|20)\d\d\b", text)) for text in (first, second))
    return bool(years and others) and not years & others and not (years | others) & asked.words


def _within_a_week(one: Candidate, other: Candidate) -> bool:
    first, second = one.meaning.date, other.meaning.date
    if (
        first is None
        or second is None
        or not len(first.iso) == len(second.iso) == len("2015-07-14")
    ):
        return False
    try:
        return abs(
            dt.date.fromisoformat(first.iso) - dt.date.fromisoformat(second.iso)
        ) <= dt.timedelta(days=7)
    except ValueError:
        return False


def _bounds(span: Span) -> Offsets:
    return enclosing_sentence(span.hit.passage.text, span.start, span.end)


def _sentence(span: Span) -> str:
    return span.hit.passage.text[slice(*_bounds(span))]


def _says(sentence: str, candidate: Candidate) -> bool:
    """Whether the sentence holds the candidate's answer in any of its wordings."""
    return any(
        f" {normalize(span.text)} " in f" {normalize(sentence)} " for span in candidate.spans
    )


def _around(span: Span) -> str:
    return span.hit.passage.text[max(0, span.start - _NEAR) : span.end + _NEAR]


def _same_passage(one: Span, other: Span) -> bool:
    first, second = one.hit.passage, other.hit.passage
    return (first.document_id, first.start) == (second.document_id, second.start)


def _about_all(asked: Asked, first: Span, second: Span, about: float) -> bool:
    """Whether the second span's sentence, with its heading, speaks of what the first's does, and of
    most of what is asked.
    """
    told_first = asked.words & content_words(_sentence(first))
    around = asked.words & content_words(f"{second.hit.passage.context} {_sentence(second)}")
    return around >= told_first and len(around) >= about * len(asked.words)


def _alike(one: Candidate, other: Candidate) -> float:
    """The share of the shorter sentence's words, but for the answers', that the other has too."""
    first, second = (
        content_words(_sentence(c.spans[0])) - content_words(c.spans[0].text) for c in (one, other)
    )
    return len(first & second) / max(1, min(len(first), len(second)))
