"""Stems of words: the terms by which texts are searched and counted.

Lower-cased, accent-folded, Porter-stemmed words without a small list of stop words, as Tantivy
makes them.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tantivy

_STOP_WORDS = (
    "a an and are as at be but by did do does for from had has have he her his how i if in into is "
    "it its me my no not of on or our she so such that the their then there these they this to was "
    "we were what when where which who whom whose why will with would you your"
).split()


@functools.cache
def analyzer() -> tantivy.TextAnalyzer:
    """Splits a text into stems; an index registers it."""
    import tantivy  # takes a while, and help needs none of it

    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for step in (
        tantivy.Filter.remove_long(100),
        tantivy.Filter.lowercase(),
        tantivy.Filter.ascii_fold(),
        tantivy.Filter.custom_stopword(list(_STOP_WORDS)),
        tantivy.Filter.stemmer("english"),
    ):
        builder = builder.filter(step)
    return builder.build()


def stem_words(text: str) -> list[str]:
    """The stems of a text, in order, as every lexical index counts them."""
    words: list[str] = analyzer().analyze(text)
    return words
