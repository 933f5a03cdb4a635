"""Plain JSON values of answers, hits and reports."""

from __future__ import annotations

from typing import TextIO

from rag.types import plain as plain


def takes_all(out: TextIO) -> bool:
    """Whether the stream's encoding has every character; if not, JSON is escaped."""
    return (out.encoding or "utf-8").lower().startswith("utf")
