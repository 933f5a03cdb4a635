"""Text that is safe to print. A separate module because the rest of rendering is slow to import."""

from __future__ import annotations

import re
from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Remove control and direction characters, so that a document cannot control the terminal."""
    return _CONTROL.sub("\ufffd", text)


def flat(text: str) -> str:
    """Clean text on one line; file names may contain line breaks."""
    return clean(" ".join(text.split()))


def takes_all(out: TextIO) -> bool:
    """Whether the stream's encoding has every character; if not, JSON is escaped."""
    return (out.encoding or "utf-8").lower().startswith("utf")
