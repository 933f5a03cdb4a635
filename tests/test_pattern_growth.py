"""No pattern backtracks over a text of strangers: it takes time in proportion to the text, unless
the text that reaches it is short.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache

import pytest

from rag.answering import catalogue, question_parts, reading, shelf
from rag.desk import fields
from rag.meaning import asking, values, words
from tests.growth import MEASUREMENTS, MOST_GROWTH, cpu_seconds, growth
from tests.patterns import Used, texts, used_patterns

SIZES = (10, 200, 1_500)
"""Characters that are doubled: a pattern whose time is exponential is found before it is slow."""
NOISE_SECONDS = 0.005
SHORT_SECONDS = 0.05
"""The most that a pattern may take for the longest text that reaches it."""
SHORT = {
    "rag.answering.catalogue.": catalogue._LONGEST_QUESTION,
    "rag.answering.question_parts.": question_parts.LONGEST_QUESTION,
    "rag.answering.asked_codes.": question_parts.LONGEST_QUESTION,
    "rag.answering.shelf": shelf.LONGEST,
    "rag.desk.fields._FIELD": fields._LONGEST_LABEL + fields._LONGEST_VALUE,
    "rag.meaning.asking.": asking.LONGEST_SENTENCE,
    "rag.answering.reading._SAYS": reading._SHORT_LINE,
    "rag.meaning.words._REWRITINGS": words.LONGEST_TEXT,
    "rag.meaning.values._RANGE": words.LONGEST_TEXT,
    "rag.meaning.values._PER_BEFORE": values.REACH,
    "rag.meaning.quantities._BOUND_AFTER": words.LONGEST_TEXT,  # at one place of a value
}
"""The modules and patterns that read no longer text than this, in characters: their functions look
at its length first."""


@cache
def patterns() -> dict[str, Used]:
    return used_patterns()


def limit(place: str) -> int:
    """The longest text that reaches a pattern; 0 if it may have any length."""
    return next((longest for start, longest in SHORT.items() if place.startswith(start)), 0)


def slow(pattern: Used, measurements: Sequence[int] = MEASUREMENTS) -> Iterator[str]:
    """Texts that take more than in proportion to their length."""
    for size in SIZES:
        pairs = zip(texts(pattern.pattern, size), texts(pattern.pattern, 2 * size), strict=True)
        for text, longer_text in pairs:
            for run in pattern.runs():
                by_size = {size: text, 2 * size: longer_text}
                factor = growth(
                    lambda size: run(by_size[size]),  # noqa: B023
                    size,
                    NOISE_SECONDS,
                    measurements,
                )
                if factor > MOST_GROWTH:
                    yield f"{pattern.place}: {longer_text[:40]!r}… takes {factor:.1f} times as long"


@pytest.mark.slow
def test_every_pattern_takes_time_in_proportion_to_its_text() -> None:
    assert len(patterns()) > 250
    slow_texts = [
        next(slow(pattern), "") for place, pattern in patterns().items() if not limit(place)
    ]
    assert list(filter(None, slow_texts)) == []


@pytest.mark.slow
def test_the_others_are_fast_for_the_longest_text_that_reaches_them() -> None:
    seconds = {
        place: max(
            cpu_seconds(lambda: run(text), 3)  # noqa: B023
            for text in texts(pattern.pattern, limit(place))
            for run in pattern.runs()
        )
        for place, pattern in patterns().items()
        if limit(place)
    }
    assert {place for place in seconds if seconds[place] > SHORT_SECONDS} == set()
    assert all(any(place.startswith(start) for place in seconds) for start in SHORT)


def test_patterns_that_backtrack_are_found() -> None:
    for pattern in (r"\w+[.!]", r"x\s*,?\s*;", r"<!--.*?-->", r"(?:a+)+b"):
        assert next(slow(Used(re.compile(pattern), "it"), (1, 3)), "")
