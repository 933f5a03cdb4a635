"""When two answers say the same, and how much of a question a passage speaks of."""

from __future__ import annotations

import re

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(r"[^\w\s%$\u20ac\u00a3]")
_QUESTION_WORDS = frozenset(
    (
        "who whom whose what which when where why how many much long far old often did does do was were is are be "
        "been being has have had can could will would should may might the a an of in on at to for from by with "
        "and or as that this these those it its he she they them his her their there into about after before "
        "during than then so not no any some you your me my we our i say said says give gave tell"
    ).split()
)


def normalize(text: str) -> str:
    """Lower case, without articles and punctuation, single spaces (after SQuAD's evaluation script)."""
    return " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub(" ", text.lower())).split())


def compatible(one: str, other: str) -> bool:
    """Whether one normalised answer contains the other word for word, as "14 july 2015" does "2015"."""
    return f" {one} " in f" {other} " or f" {other} " in f" {one} "


def coverage(question: str, text: str) -> float:
    """The share, in [0, 1], of the question's content words that `text` holds, by their first five letters."""
    asked = {word[:5] for word in normalize(question).split() if word not in _QUESTION_WORDS}
    held = {word[:5] for word in normalize(text).split()}
    return len(asked & held) / len(asked) if asked else 0.0
