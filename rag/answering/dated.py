"""Whether a date in a sentence is that of what a question asks about, or of something else about
it.
"""

from __future__ import annotations

import re
from collections.abc import Set

from rag.english.dates import dates
from rag.english.text import content_words

_WORD = r"[A-Z][\w.'’&-]*"
_LINK = r"(?:of|the|and|on|for|to|de|du|von|between|with)"
_NAME = rf"{_WORD}(?: (?:{_LINK} )*{_WORD})*(?: \([A-Z][\w&-]*\))?"
_FREE = re.compile(
    r"(?:^|[,;:(]|\b(?:in|on|since|by|until|till|from"
    r"|to|during|after|before|around|of|and|or|between|year))\s*$",
    re.IGNORECASE,
)
"""Before a date that stands for itself, as in "In 2015 Iran agreed"; not so in "the 2015
agreement".
"""
_NAME_AFTER = re.compile(rf"\s+(?P<name>{_NAME})")
_NAME_BEFORE = re.compile(
    rf"(?P<name>{_NAME})(?: of|,? \((?:in |of |signed |adopted |founded )?)\s*$"
)
_HAPPENING = (
    r"\w{3,}(?:tion|sion|ment|al|ance|ence|ture|ing)"
    r"|exit|visit|return|collapse|attack|defeat|siege|ban"
)
_OTHER = re.compile(
    rf"\b(?P<noun>{_HAPPENING}) (?:from|of|to|in|into|on|by|against|with|for|over|at) (?:the |its "
    rf"|their |his |her )?"
    rf"(?P<name>{_NAME}),? (?:in|on|since|of|by|during|around)(?: early| late| the)?\s*$"
)
_BEGINNINGS = frozenset(
    (
        "signe sign agree adopt concl reach made make found creat estab happe occur place held "
        "hold writt pass passe enact launc "
        "relea publi start begin began ratif negot draft form forme inaug open opene built build"
    ).split()
)
"""What one asks of a thing to learn its own date, by the first five letters."""


def dating(words: Set[str], names: Set[str], sentence: str, start: int, end: int) -> float:
    """Of the first date in `sentence[start:end]`, where the question asks how a thing came about
    ("When was the Paris Agreement signed?"): 1 if it is part of the thing's name ("the 2015 Paris
    Agreement", "the Reform Act of 1832"), -1 if it dates something else about it ("the withdrawal
    from the Paris Agreement in 2020"); 0 otherwise. `words` and `names` are the question's, as
    `content_words` and `named_words` give them."""
    if not words & _BEGINNINGS:
        return 0.0
    found = next(iter(dates(sentence[start:end])), None)
    if found is None:
        return 0.0
    before, after = sentence[: start + found.start], sentence[start + found.end :]
    asked = names or words
    if _of_name(_NAME_AFTER.match(after), asked) and not _FREE.search(before):
        return 1.0
    if _of_name(_NAME_BEFORE.search(before), asked):
        return 1.0
    other = _OTHER.search(before)
    return (
        -1.0 if other and _of_name(other, asked) and not _asked_about(other["noun"], words) else 0.0
    )


def _of_name(match: re.Match[str] | None, asked: Set[str]) -> bool:
    return match is not None and bool(content_words(match["name"]) & asked)


def _asked_about(noun: str, words: Set[str]) -> bool:
    """By four letters: "formation" is "formed", "invasion" is "invaded"."""
    return any(word[:4] == noun[:4] for word in words)
