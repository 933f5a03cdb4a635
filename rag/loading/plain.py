"""Plain text: kept to the character; a short first line is its title."""

from __future__ import annotations

import re

from rag.types import Section

_HEADER = re.compile(r"(Date|Author|Draws on): *(\S.*)", re.IGNORECASE)
_LONGEST_TITLE = 120


def parse(source: str) -> tuple[str, tuple[Section, ...], dict[str, str]]:
    """(text, no sections, metadata): lines such as "Date: 2026-02-10" right below the title are metadata too."""
    lines = [line.strip() for line in source.splitlines()[:8]]
    filled = [line for line in lines if line]
    headers = [match for line in filled[:4] if (match := _HEADER.fullmatch(line))]
    metadata = {match.group(1).lower().replace(" ", "_"): match.group(2) for match in headers}
    if _is_title(filled[:2]):
        metadata["title"] = filled[0]
    return source, (), metadata


def _is_title(lines: list[str]) -> bool:
    """Whether the first of two lines is a title, not a header, and not a sentence that ends there or goes on below."""
    if len(lines) < 2 or len(lines[0]) > _LONGEST_TITLE or _HEADER.fullmatch(lines[0]):
        return False
    return not lines[0].endswith((".", ",", ";", ":")) and not lines[1][0].islower()
