"""Citation marks and Markdown in the text under check: blanked, removed, or read."""

from __future__ import annotations

import re

MARK = re.compile(
    r"\s?(?:\[\^?(\d{1,3}(?:\s{0,3}[,;–-]\s{0,3}\d{1,3})*)\]|【(\d{1,3})[^】\n]{0,40}】)(?![(:\w])"
)
"""A citation mark: `[1]`, `[1, 3]`, `[2-4]`, `[^1]`, `【1†source】`; not a link such as
`[1](address)`."""
_PREFIX = re.compile(
    r"(?m)^[ \t]*(?:>[ \t]?)*(?:(?:[-*+•]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?"
)
"""The start of a line in a block quote or list."""
_LINK = re.compile(
    r"!?\[((?:[^\[\]\n]|\[[^\[\]\n]*+\])*+)\]"
    r"\([^()\s]*+(?:\([^()\s]*+\)[^()\s]*+)*+(?:[ \t]++\"[^\"\n]*+\")?\)"
)
"""A link or an image. Brackets nest once and no run is given back, so that a text of nothing but
brackets is read in linear time."""
_EMPHASIS = re.compile(r"\*\*|__|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|`|~~")
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>")
_RANGE = re.compile(r"(\d+)(?:\s*[–-]\s*(\d+))?")
_LONGEST_RANGE = 50
"""A mark such as `[1-900]` counts as its first number."""


def masked(text: str) -> str:
    """The text with its markup and marks replaced by spaces, so that offsets stay valid."""
    text = MARK.sub(_blank, text)
    text = _LINK.sub(_label_in_place, text)
    # the sentence splitter needs the bullets of a list
    text = _PREFIX.sub(lambda match: match[0].replace(">", " "), text)
    return _EMPHASIS.sub(_blank, text)


def _blank(match: re.Match[str]) -> str:
    """Spaces in the place of all characters but the ends of lines."""
    lines = match[0].split("\n")
    return "\n".join(" " * len(line) for line in lines)


def _label_in_place(match: re.Match[str]) -> str:
    """The words of a link, at their places in the text."""
    padding = " " * (match.start(1) - match.start())
    return f"{padding}{match[1]}".ljust(len(match[0]))


def end_with_marks(text: str, end: int, limit: int) -> int:
    """The end of a sentence, moved past the citation marks and closing emphasis that follow."""
    while end < limit:
        match = MARK.match(text, end, limit)
        if match:
            end = match.end()
        elif text[end] in "*_`~":
            end += 1
        else:
            break
    return end


def without_markup(source: str) -> str:
    """The words of a sentence, on one line."""
    text = MARK.sub("", source)
    text = _LINK.sub(lambda match: match[1], text)
    text = _PREFIX.sub("", text)
    text = _TAG.sub(" ", _EMPHASIS.sub("", text))
    return " ".join(text.split())


def cited_numbers(source: str) -> tuple[int, ...]:
    """The numbers in the citation marks, in order, with ranges expanded."""
    numbers: list[int] = []
    for mark in MARK.finditer(source):
        for first_number, last_number in _RANGE.findall(mark[1] or mark[2]):
            start = int(first_number)
            end = int(last_number or first_number)
            is_range = start <= end < start + _LONGEST_RANGE
            numbers += range(start, end + 1) if is_range else [start]
    return tuple(dict.fromkeys(numbers))
