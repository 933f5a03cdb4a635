"""Inline markup of reStructuredText: roles, links, emphasis and literals."""

from __future__ import annotations

import re

_ROLE = re.compile(r":[\w+.-]{1,60}(?::[\w+.-]{1,60}){0,3}:`([^`]*)`")
_LITERAL_TEXT = re.compile(r"(?<!`)``(?=\S)(.{1,300}?)(?<=\S)``(?!`)", re.DOTALL)
_LINK = re.compile(r"`([^`<]{1,300}?)\s{1,9}<[^`>]{1,2000}>`_{0,2}")
_MARKED = re.compile(
    r"(?<![\w`*])(``|`|\*\*|\*)(?=\S)(.{1,300}?)(?<=\S)\1_{0,2}(?![\w`*])", re.DOTALL
)
"""Bounded, since the end of an unclosed mark would be searched from each opening mark."""


def inline_text(text: str) -> str:
    """Text without roles, links and emphasis; literals stay unchanged."""
    parts = _LITERAL_TEXT.split(text)
    return "".join(part if number % 2 else _marked(part) for number, part in enumerate(parts))


def _marked(text: str) -> str:
    text = _ROLE.sub(lambda role: _shown(role.group(1)), text)
    text = _LINK.sub(r"\1", text)
    return _MARKED.sub(lambda marked: marked.group(2), text).replace("\\ ", "").replace("\\*", "*")


def _shown(content: str) -> str:
    """Visible part of a role: the words of "words <target>"."""
    words, opens, target = content.rpartition("<")
    shown = words.rstrip() if opens and target.endswith(">") and words[-1:].isspace() else ""
    return shown or content.lstrip("~!")
