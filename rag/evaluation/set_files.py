"""Files of gold and training sets: plain or gzipped text, JSON lines."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

MALFORMED = (
    OSError,
    EOFError,
    zlib.error,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""Errors raised when reading a truncated file or another format."""


def open_text(path: Path) -> IO[str]:
    """UTF-8 text, gzipped if the name ends in `.gz`."""
    opener: Callable[..., IO[str]] = gzip.open if path.suffix == ".gz" else open
    return opener(path, "rt", encoding="utf-8")


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON Lines file. Raises the errors in MALFORMED."""
    with open_text(path) as file:
        yield from (json.loads(line) for line in file if line.strip())
