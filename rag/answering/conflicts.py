"""Finds answers that disagree with the best one. `compose` shows those that it would give without
it.

Different values may be about different things. A conflict therefore needs a date, a figure or a
denial, and either a sentence about the same subject as the first answer's sentence, or a text that
says that accounts differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.answering.spans import Mention, QuestionAnalysis, SpanGroup
from rag.meaning.compare import Relation, compare
from rag.meaning.words import YEARS, content_words, normalize

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
    winner, *rivals = ranked
    return [rival for rival in rivals[:_MOST_RIVALS] if _contradicts(analysis, winner, rival)]


def _contradicts(analysis: QuestionAnalysis, best: SpanGroup, rival: SpanGroup) -> bool:
    given, opposed = best.best, rival.best
    if (
        compare(given.meaning, opposed.meaning) is not Relation.CONTRADICTS
        or opposed.span.score <= 0
    ):
        return False
    if given.meaning.key == opposed.meaning.key:  # one affirms it, the other denies it
        return True
    if _is_said_to_differ(given, opposed):
        return True
    if _is_beside(given, opposed) or _is_of_other_years(analysis, given, opposed):
        return False
    own = content_words(given.sentence_text) - content_words(given.span.text)
    opposed_words = content_words(opposed.sentence_text) - content_words(opposed.span.text)
    alike = len(own & opposed_words) > _MIN_SHARED * min(len(own), len(opposed_words))
    around = analysis.words & content_words(
        f"{opposed.span.hit.passage.context} {opposed.sentence_text}"
    )
    about = analysis.words & own <= around and len(around) >= _MIN_COVERAGE * len(analysis.words)
    return about and alike


def _is_said_to_differ(given: Mention, opposed: Mention) -> bool:
    """Whether both are in one passage that says nearby that accounts differ."""
    passage, start = given.span.hit.passage, min(given.span.start, opposed.span.start)
    if passage != opposed.span.hit.passage:
        return False
    end = max(given.span.end, opposed.span.end)
    return bool(_DIFFER.search(passage.text[max(0, start - _NEARBY) : end + _NEARBY]))


def _is_beside(given: Mention, opposed: Mention) -> bool:
    """Whether one sentence contains both answers, which are then about different things."""
    pairs = ((given, opposed), (opposed, given))
    return any(f" {normalize(a.span.text)} " in f" {normalize(b.sentence_text)} " for a, b in pairs)


def _is_of_other_years(analysis: QuestionAnalysis, given: Mention, opposed: Mention) -> bool:
    """Whether both sentences name years besides the answer, without a year in common or one that
    the question names.
    """
    if given.meaning.date:
        return False
    years, second_years = (
        frozenset(YEARS.findall(mention.sentence_text)) for mention in (given, opposed)
    )
    return (
        bool(years and second_years)
        and not years & second_years
        and not (years | second_years) & analysis.words
    )
