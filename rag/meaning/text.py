"""Normalised answers, and the overlap of content words between question and passage."""

from __future__ import annotations

import re
from collections.abc import Set

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(r"[^\w\s%$\u20ac\u00a3]")
_QUESTION_WORDS = frozenset(
    (
        "who whom whose what which when where why how many much long far old often did do does "
        "was were is are be "
        "been being has have had can could will would should may might the a an of in on at to "
        "for from by with "
        "and or as that this these those it its he she they them his her their there into about "
        "after before "
        "during than then so not no any some you your me my we our i say said says give gave tell"
    ).split()
)
_NAMED = re.compile(r"(?<=\s)[A-Z][\w.-]+|\b\w*\d[\w.,]*\b")


def normalize(text: str) -> str:
    """Lower case, without articles and punctuation, with single spaces (method: the evaluation
    script of SQuAD)."""
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub(" ", text.lower())).split())


def compatible(one: str, other: str) -> bool:
    """Whether one normalised answer contains the other word for word, as "14 july 2015" contains
    "2015"."""
    return f" {one} " in f" {other} " or f" {other} " in f" {one} "


def content_words(text: str) -> frozenset[str]:
    """The content words of a question, each as its first five letters."""
    return frozenset(word[:5] for word in normalize(text).split() if word not in _QUESTION_WORDS)


def named_words(question: str) -> frozenset[str]:
    """The content words of a question that are names, except for its first word, or contain a
    digit."""
    return frozenset(word for match in _NAMED.findall(question) for word in content_words(match))


def coverage(asked: Set[str], text: str, empty: float = 0.0) -> float:
    """The share, in [0, 1], of the word stems `asked` that `text` contains; `empty` if there are no
    stems."""
    held = {word[:5] for word in normalize(text).split()}
    return len(asked & held) / len(asked) if asked else empty
