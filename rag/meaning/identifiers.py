"""Identifiers and periods in file names, titles and questions, normalised.

"RFC 9110", "RFC-9110" and "rfc9110" become `rfc9110`; "2023 Q3", "Q3 FY2023" and "the third quarter
of 2023" become `2023q3`; "EPA's 2022 report" and "EPA2022" become `epa2022`."""

from __future__ import annotations

import functools
import re
from datetime import date

from rag.meaning.periods import quarters_of_years
from rag.types import Passage

_CODE = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{4,}(?![A-Za-z0-9])")
"""A word that mixes letters and digits."""
_LABEL = re.compile(r"(?i)(?:[:#\u2116]|\b(?:no|nr|ref)\.|\bnumber)\s*\Z")
_NUMBERED = [
    re.compile(pattern)
    for pattern in (
        r"(?<![A-Za-z0-9])(?P<letters>[A-Z]{2,8})(?:['’]s)?[ _-](?P<digits>\d{2,8})"
        r"(?![A-Za-z0-9]|[.,]\d)",
        r"(?<![A-Za-z0-9.,])(?P<digits>(?:19|20)\d\d)[ _-](?P<letters>[A-Z]{2,8})(?![A-Za-z0-9])",
    )
]
"""An acronym and a number, in either order."""


def identifiers(text: str) -> frozenset[str]:
    """The identifiers and quarters of years in a text."""
    codes = {match.group().lower() for match in _CODE.finditer(text)}
    for pattern in _NUMBERED:
        codes |= {f"{m['letters']}{m['digits']}".lower() for m in pattern.finditer(text)}
    return quarters_of_years(text) | codes


def labelled(text: str) -> frozenset[str]:
    """The identifiers that follow a label, as in "Registration: N112ED" and "Invoice No. A4711"."""
    return frozenset(
        match.group().lower()
        for match in _CODE.finditer(text)
        if _LABEL.search(text, max(0, match.start() - 10), match.start())
    )


@functools.lru_cache(4096)
def called(document_id: str, title: str) -> frozenset[str]:
    """The identifiers in a document's file name and title."""
    return identifiers(file_name(document_id).replace("_", " ")) | identifiers(title)


def file_name(document_id: str) -> str:
    """The file name without folders and suffix: "2023 Q3 AAPL" for "reports/2023 Q3 AAPL.pdf"."""
    name = document_id.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def searched(passage: Passage) -> str:
    """The text that lexical search indexes: the document's names, and the passage in context."""
    return f"{_name(passage.document_id, passage.title)}\n{passage.in_context}"


@functools.lru_cache(4096)
def _name(document_id: str, title: str) -> str:
    name = file_name(document_id)
    return " ".join([*([] if name in title else [name]), *sorted(called(document_id, title))])


def day_in_words(day: str) -> str:
    """ "1 July 2023" for 2023-07-01."""
    whole = date.fromisoformat(day)
    return f"{whole.day} {whole:%B} {whole.year}"
