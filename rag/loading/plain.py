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
    metadata = {}
    if len(filled) > 1 and len(filled[0]) <= _LONGEST_TITLE and not filled[0].endswith((".", ",", ";", ":")):
        metadata["title"] = filled[0]
    for line in filled[1:4]:
        match = _HEADER.fullmatch(line)
        if match:
            metadata[match.group(1).lower().replace(" ", "_")] = match.group(2)
    return source, (), metadata
