"""Accounts that a text itself sets side by side: "the ministry reported 627 dead, while the
foundation gave 1,060".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rag.answering.features import Asked
from rag.english.dates import dates
from rag.english.quantities import quantity
from rag.english.sentences import Offsets, split_sentences
from rag.english.text import content_words

DIFFER = re.compile(
    r"\b(?:others?|differs?|disagrees?|disagreement|disputed|some (?:\w+ "
    r")?(?:say|give|put|count|place|date|speak|start)|"
    r"some (?:profiles|sources|accounts|authors|reports)"
    r"|(?:accounts|sources|figures|counts|reports|estimates) vary)\b",
    re.IGNORECASE,
)
"""Words by which a text says that accounts differ."""
TELLS = re.compile(
    r"\b(?:said|says|say|counted|counts?|(?<!\bbe )(?<!\bbeen "
    r")reported|reports?|claimed|claims?|estimated|estimates?|spoke of|"
    r"speaks? of|gave|gives?|given|puts?|places?|dates|lists?|[Aa]ccording to|others?)\b"
)
"""Words by which a sentence says whose account it gives."""
_REACH = 70
"""Most characters between the word of telling and what is told."""
_BY_COUNT = re.compile(
    r",? (?:according to|by (?:his|her|their|its|one|some|other|the \w+|\w+['’]s) (?:own )?"
    r"(?:counts?|accounts?|estimates?|figures?|reckoning))\b"
)
_PLACED = re.compile(r"\b(?:[Ii]n|[Aa]t|[Ff]rom|[Nn]ear) (?:the )?(?P<name>[A-Z]\w+)")
_MONTHS = frozenset(
    "january february march april may june july august september october november december spring "
    "summer autumn winter".split()
)
_FIGURE = re.compile(
    r"(?<![\w.,])(?:US\$|[$€£])?\d+(?:[.,]\d+)*(?![\w])(?:\s(?:hundred"
    r"|thousand|million|billion|trillion)\b)?"
    r"(?:\s?%|\s(?:per ?cent|(?:nautical |square |cubic )?[a-z]+)\b)?"
)
_NO_UNIT = re.compile(
    r"\s(?:[a-z]{1,3}|from|with|into|were|have|that|when"
    r"|than|also|over|while|after|before|since|during|until|under|dead|killed|"
    r"wounded|injured)$"
)


def told_beside(asked: Asked, text: str, start: int, end: int) -> list[Offsets]:
    """Where the sentences around the answer `text[start:end]` tell what others say instead of it,
    for a question that wants a date or a figure; nothing unless the answer is told as someone's
    account too, or the text says that accounts differ."""
    sentences = split_sentences(text)
    at = next((n for n, (_, last) in enumerate(sentences) if start < last), None)
    if at is None:
        return []
    near = sentences[max(0, at - 1) : at + 2]
    differ = any(DIFFER.search(text, *sentence) for sentence in near)
    own = list(_told(asked.kind, text, sentences[at]))
    if not differ and not any(first < end and start < last for first, last in own):
        return []
    own_names = places(text[slice(*sentences[at])])
    found = [
        place
        for sentence in near
        if not places(text[slice(*sentence)]) - own_names - asked.names
        for place in _told(asked.kind, text, sentence)
    ]
    return [(first, last) for first, last in found if last <= start or first >= end]


def _told(kind: str, text: str, sentence: Offsets) -> Iterator[Offsets]:
    """The first value after each word of telling, and the last before "by her count"."""
    start, end = sentence
    values = list(_values(kind, text, start, end))
    told = [match.end() for match in TELLS.finditer(text, start, end)]
    for number, after in enumerate(told):
        until = min(told[number + 1] if number + 1 < len(told) else end, after + _REACH)
        yield from [value for value in values if after <= value[0] < until][:1]
    for match in _BY_COUNT.finditer(text, start, end):
        yield from [
            value for value in values if match.start() - _REACH < value[1] <= match.start()
        ][-1:]


def _values(kind: str, text: str, start: int, end: int) -> Iterator[Offsets]:
    """Dates, or figures with their unit, in `text[start:end]`."""
    found = [(start + date.start, start + date.end) for date in dates(text[start:end])]
    if kind == "date":
        yield from found
        return
    for match in _FIGURE.finditer(text, start, end):
        if not any(first < match.end() and match.start() < last for first, last in found):
            words = _NO_UNIT.sub("", match[0])
            if quantity(words):
                yield match.start(), match.start() + len(words)


_SUBJECT = re.compile(
    r"(?P<name>[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)*),? (?:was|were|is|are|has|had|became)\b"
)


def of_another(asked: Asked, text: str, sentence: Offsets, first: str) -> bool:
    """Whether a sentence of `text` tells something else than the sentence `first`: it names a
    place, but not the one asked about, or its subject is someone whom neither the question nor
    `first` names."""
    told = text[slice(*sentence)]
    here, wanted = places(told), places(asked.text)
    if here and wanted and not here & wanted:
        return True
    subject = _SUBJECT.match(told)
    if not subject or content_words(subject["name"]) & (asked.words | content_words(first)):
        return False
    return " " in subject["name"] or bool(
        re.search(rf"[a-z,] {re.escape(subject['name'])}\b", text)
    )


def places(sentence: str) -> set[str]:
    """Names that stand after "in", "at", "from" or "near", by their first letters."""
    names = (match["name"] for match in _PLACED.finditer(sentence))
    return {word for name in names if name.lower() not in _MONTHS for word in content_words(name)}
