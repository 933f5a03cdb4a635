"""Statements that a text calls untrue, such as "Myth: Ticks fall from trees."."""

from __future__ import annotations

import re

_LABEL = re.compile(
    r"\W*(?:common )?(?:myth|fiction|misconception)"
    r"(?: (?:no\.? ?)?#?\d{1,3})?\s*[:\u2013\u2014]\s*",
    re.IGNORECASE,
)


def untrue_statement(text: str) -> str:
    """What a sentence calls untrue, without the word for it; "" for another sentence."""
    label = _LABEL.match(text)
    return text[label.end() :].lstrip("*_ ") if label else ""
