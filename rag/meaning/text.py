"""Words as they are compared: normalised, content words only, or one by one in order."""

from __future__ import annotations

import re
from collections.abc import Set

from rag.meaning.number_words import LONGEST, digits
from rag.meaning.vocabulary import STOP_WORDS

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(r"[^\w\s%$\u20ac\u00a3]")
WORD = re.compile(r"[^\W_]+(?:['’.,-][^\W_]+)*")
_POSSESSIVE = re.compile(r"['’]s?$")
_NAMED = re.compile(r"(?<=\s)[A-Z][\w.-]+|\b\w*\d[\w.,]*\b")


def normalize(text: str) -> str:
    """Lower case, without articles and punctuation, with single spaces (method: the evaluation
    script of SQuAD)."""
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub(" ", text.lower())).split())


def compatible(text: str, other: str) -> bool:
    """Whether one normalised answer contains the other word for word, as "14 july 2015" contains
    "2015"."""
    return f" {text} " in f" {other} " or f" {other} " in f" {text} "


def content_words(text: str) -> frozenset[str]:
    """The content words of a question, each as its first five letters."""
    return frozenset(word[:5] for word in normalize(text).split() if word not in STOP_WORDS)


def named_words(question: str) -> frozenset[str]:
    """The content words of a question that are names, except for its first word, or contain a
    digit."""
    return frozenset(word for match in _NAMED.findall(question) for word in content_words(match))


def coverage(stems: Set[str], text: str, empty: float = 0.0) -> float:
    """The share, in [0, 1], of the word stems that `text` contains; `empty` if there are none."""
    own = {word[:5] for word in normalize(text).split()}
    return len(stems & own) / len(stems) if stems else empty


def singular(noun: str) -> str:
    """A noun without its plural ending, for comparison only."""
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") else noun


def singular_words(text: str) -> frozenset[str]:
    """The content words in the singular; whole, so that "internal" is not "international"."""
    stems = content_words(text)
    return frozenset(singular(word) for word in normalize(text).split() if word[:5] in stems)


def fold(word: str) -> str:
    """A word in lower case, without a possessive ending and full stops."""
    return _POSSESSIVE.sub("", word.lower()).replace(".", "")


def word_set(text: str) -> frozenset[str]:
    """The folded words of a text."""
    return frozenset(fold(word) for word in WORD.findall(text))


def word_list(text: str) -> list[str]:
    """The folded words in order; number words of a short text become digits."""
    return [fold(word) for word in WORD.findall(digits(text) if len(text) <= LONGEST else text)]
