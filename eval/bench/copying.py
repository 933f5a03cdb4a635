"""Copies texts with changed words, to make a large collection without duplicates out of a small
one."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from rag.parsing.base import ParseError
from rag.parsing.formats import format_of

_LONG_WORD = re.compile(rb"[a-z]{7,}")
_ONE_IN = 20


def copy_with_other_words(files: Sequence[Path], target: Path, until: int) -> None:
    """Copies the texts among `files` to `target`, round after round, until both have `until` bytes
    together.

    In each round another twentieth of the long words gets a suffix. Copies of .gz files are not
    compressed.
    """
    size = sum(path.stat().st_size for path in files)
    texts = [path for path in files if _is_text(path)]
    for round_ in count(1):
        for number, path in enumerate(texts):
            if size >= until:
                return
            content = path.read_bytes()
            content = gzip.decompress(content) if path.suffix == ".gz" else content
            name = path.name.removesuffix(".gz")
            copy = target / f"{round_}" / f"{number // 500}" / f"{number}-{name}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            size += copy.write_bytes(_with_other_words(content, round_))


def _is_text(path: Path) -> bool:
    try:
        return format_of(path.name.removesuffix(".gz"), b"").category == "text"
    except ParseError:
        return False


def _with_other_words(content: bytes, round_: int) -> bytes:
    suffix = b"x%d" % round_

    def word(match: re.Match[bytes]) -> bytes:
        chosen = zlib.crc32(match[0] + suffix) % _ONE_IN == 0
        return match[0] + suffix if chosen else match[0]

    return _LONG_WORD.sub(word, content)
