"""Plain text, kept character by character, except for blank lines between one-line paragraphs; a
short first line is the title.
"""

from __future__ import annotations

import re
from itertools import pairwise

from rag.parsing.base import Parsed
from rag.parsing.text_outline import blocks_of

_HEADER = re.compile(r"(Date|Author|Draws on): *(\S.*)", re.IGNORECASE)
_LONGEST_TITLE = 120
_WRAPPED = 60
"""A longer first line, directly followed by another, starts a wrapped paragraph."""
_NO_TITLE = re.compile(
    r"[-*+•>]\s|\d+[.)]\s|(?:From|To|Cc|Subject|Sent"
    r"|Received|Return-Path|Message-ID):\s|[^A-Za-z]*$|.*[|\t{}<>=]{2}"
)
"""A list item, a field such as "From: …", a line without letters, a table row, or code."""
_LONG = 120
"""Lines are not wrapped at more characters."""
_LINE_END = re.compile(r"(?<=\S)[^\S\r\n]*(\r\n|[\r\n])(?=[^\S\r\n]*[^\s|])")
"""The end of a non-empty line before another non-empty line."""
_OVERSTRUCK = re.compile(r"[^\n\x08]\x08")
"""A character that the next one is printed over, as in bold and underlined terminal text."""


def parse(source: str) -> Parsed:
    """The text; lines such as "Date: 2026-02-10" directly below the title are metadata."""
    source = _OVERSTRUCK.sub("", source)
    lines = [line.strip() for line in source.splitlines()[:8]]
    filled = [line for line in lines if line]
    headers = [match for line in filled[:4] if (match := _HEADER.fullmatch(line))]
    metadata = {match.group(1).lower().replace(" ", "_"): match.group(2) for match in headers}
    is_wrapped = len(lines) > 1 and all(lines[:2]) and len(lines[0]) > _WRAPPED and not headers
    if _is_title(filled[:2]) and not is_wrapped:
        metadata["title"] = filled[0]
    text = source
    if _has_lines_as_paragraphs(source):
        text = _LINE_END.sub(lambda end: end.group() + end.group(1), source)
    return Parsed(text, blocks_of(text), metadata)


def _has_lines_as_paragraphs(source: str) -> bool:
    """Whether most of the text is in lines too long to be wrapped, followed by lines that start
    anew.

    Then only line ends separate a headline from the first sentence. Wrapped lines continue in lower
    case.
    """
    lines = [line.strip() for line in re.split(r"[\r\n]+", source) if line.strip()]
    long = [line for line in lines if len(line) > _LONG]
    if len(lines) < 2 or sum(map(len, long)) < 0.5 * sum(map(len, lines)):
        return False
    after = [below for line, below in pairwise(lines) if len(line) > _LONG]
    return len([below for below in after if below[0].islower()]) <= 0.2 * len(after)


def _is_title(lines: list[str]) -> bool:
    """Whether the first line is a title: no field, and no sentence that ends or goes on below."""
    if len(lines) < 2 or len(lines[0]) > _LONGEST_TITLE:
        return False
    if _HEADER.fullmatch(lines[0]) or _NO_TITLE.match(lines[0]):
        return False
    return not lines[0].endswith((".", ",", ";", ":")) and not lines[1][0].islower()
