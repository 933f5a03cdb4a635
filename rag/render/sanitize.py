"""Text that may go to a terminal. Apart from the rest of what prints, since that takes long to
import.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Without control and direction characters, so that a document cannot write to the terminal's
    controls.
    """
    return _CONTROL.sub("\ufffd", text)


def flat(text: str) -> str:
    """Clean, and on one line: a file's name may hold a line break."""
    return clean(" ".join(text.split()))
