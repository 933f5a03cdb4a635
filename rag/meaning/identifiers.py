"""Identifiers and periods in file names, titles and questions, normalised.

"RFC 9110", "RFC-9110" and "rfc9110" become `rfc9110`; "2023 Q3", "Q3 FY2023" and "the third quarter
of 2023" become `2023q3`; "EPA's 2022 report" and "EPA2022" become `epa2022`.
"""

from __future__ import annotations

import functools
import re
from datetime import date
from pathlib import PurePath

from rag.meaning.periods import quarters_of_years
from rag.meaning.words import content_words
from rag.types import Passage

_CODE = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{4,}(?![A-Za-z0-9])")
"""A word that mixes letters and digits."""
_LABEL = re.compile(r"(?i)(?:[:#\u2116]|\b(?:no|nr|ref)\.|\bnumber)\s*\Z")
_LABEL_WITHIN = 10
"""Characters before an identifier in which its label is looked for."""
_NUMBERED = re.compile(
    r"(?<![A-Za-z0-9])([A-Z]{2,8})(?:['’]s)?[ _-](\d{2,8})(?![A-Za-z0-9]|[.,]\d)"
)
"""An acronym and a number."""
_OF_YEAR = re.compile(r"(?<![A-Za-z0-9.,])((?:19|20)\d\d)[ _-]([A-Z]{2,8})(?![A-Za-z0-9])")
"""A year and an acronym."""


def identifiers(text: str) -> frozenset[str]:
    """The identifiers and quarters of years in a text."""
    codes = {match[0].lower() for match in _CODE.finditer(text)}
    for letters, digits in _NUMBERED.findall(text):
        codes.add(f"{letters}{digits}".lower())
    for year, letters in _OF_YEAR.findall(text):
        codes.add(f"{letters}{year}".lower())
    return quarters_of_years(text) | codes


def labelled(text: str) -> frozenset[str]:
    """The identifiers that follow a label, as in "Registration: N112ED" and "Invoice No. A4711"."""
    codes = set()
    for match in _CODE.finditer(text):
        start = match.start()
        label = _LABEL.search(text, max(0, start - _LABEL_WITHIN), start)
        if label:
            codes.add(match[0].lower())
    return frozenset(codes)


@functools.lru_cache(4096)
def identifiers_of_document(document_id: str, title: str) -> frozenset[str]:
    """The identifiers in a document's file name and title."""
    return identifiers(file_name(document_id).replace("_", " ")) | identifiers(title)


def file_name(document_id: str) -> str:
    """The file name without folders and suffix: "2023 Q3 AAPL" for "reports/2023 Q3 AAPL.pdf"."""
    name = document_id.rpartition("/")[2]
    stem = name.rpartition(".")[0]
    return stem or name


FILE_NAME = 3.0
"""How fully a question names a document of which it has the whole file name."""
ABOUT_ANY = frozenset(
    "summa overv main point topic gist outli docum file page about descr expla paper repor "
    "cover".split()
)
"""Beginnings of words that say nothing about which document is meant."""
_HYPHENS = str.maketrans("_-", "  ")


@functools.lru_cache(4096)
def naming_strength(question: str, document_id: str, title: str) -> float:
    """How fully a question names a document: `FILE_NAME` with its whole file name, at least 1 with
    that without its suffix, otherwise the share of the title's or the file name's words.
    """
    path = PurePath(document_id)
    lowered = question.lower()
    if _is_said(path.name, lowered):
        return FILE_NAME

    spaced = path.stem.translate(_HYPHENS)
    if len(spaced) > 3 and _is_said(spaced, lowered.translate(_HYPHENS)):
        return 1 + 0.1 * len(spaced.split())

    question_words = content_words(question) - ABOUT_ANY
    shares = [0.0]
    for name in (title, spaced):
        words = content_words(name) - ABOUT_ANY
        shared = len(words & question_words)
        if words:
            shares.append(shared / len(words) + 0.01 * shared)
    return max(shares)


def _is_said(name: str, question: str) -> bool:
    """Whether a question has the whole name, not as a part of a longer one."""
    name = name.lower()
    if name not in question:
        return False
    return bool(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", question))


def searched(passage: Passage) -> str:
    """The text that lexical search indexes: the document's names, and the passage in context."""
    return f"{_name(passage.document_id, passage.title)}\n{passage.in_context}"


@functools.lru_cache(4096)
def _name(document_id: str, title: str) -> str:
    """The file name, if the title has it not, and the identifiers of both."""
    words = sorted(identifiers_of_document(document_id, title))
    name = file_name(document_id)
    if name not in title:
        words.insert(0, name)
    return " ".join(words)


def day_in_words(day: str) -> str:
    """ "1 July 2023" for 2023-07-01, "1 July" for --07-01."""
    parsed = date.fromisoformat(day.replace("--", "2000-"))
    year = "" if day.startswith("--") else f" {parsed.year}"
    return f"{parsed.day} {parsed:%B}{year}"
