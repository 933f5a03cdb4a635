"""Words of a text as they are compared: lower case, without possessive endings and full stops."""

from __future__ import annotations

import re

from rag.meaning.number_words import digits

WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")
LONGEST = 400
"""Maximum number of characters in which number words are read."""


def fold(word: str) -> str:
    return re.sub(r"['’]s?$", "", word.lower()).replace(".", "")


def word_set(text: str) -> frozenset[str]:
    return frozenset(fold(word) for word in WORD.findall(text))


def word_list(text: str) -> list[str]:
    """The words in order; number words of a short text become digits."""
    return [fold(word) for word in WORD.findall(digits(text) if len(text) <= LONGEST else text)]
