"""Identifiers and periods in file names, titles and questions, normalised.

"RFC 9110", "RFC-9110" and "rfc9110" become `rfc9110`; "2023 Q3", "Q3 FY2023" and "the third quarter
of 2023" become `2023q3`; "EPA's 2022 report" and "EPA2022" become `epa2022`; "July 1, 2023" and
"2023-07-01" become the day 2023-07-01.
"""

from __future__ import annotations

import functools
import re
from datetime import date

from rag.types import Passage

_QUARTERS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "1st": 1,
    "2nd": 2,
    "3rd": 3,
    "4th": 4,
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|"
    r"aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
"""A pattern for the name of a month, without capitals."""
_MONTH = rf"(?P<month>{MONTH})\.?"
_YEAR = r"(?P<year>(?:19|20)\d\d)"
_FISCAL = r"(?:[\s,]+(?:of|in|fiscal|financial|the|year|FY)+)*[\s,_-]*(?:FY)?"
_PERIODS = [
    re.compile(rf"\bQ(?P<quarter>[1-4]){_FISCAL}[\s,_-]*{_YEAR}(?!\d)", re.IGNORECASE),
    re.compile(rf"(?<!\d){_YEAR}[\s,_-]*Q(?P<quarter>[1-4])\b", re.IGNORECASE),
    re.compile(
        rf"\b(?P<quarter>first|second|third|fourth|1st|2nd|3rd|4th) "
        rf"quarter{_FISCAL}[\s,]*{_YEAR}\b",
        re.IGNORECASE,
    ),
]
_CODE = re.compile(r"(?<![A-Za-z0-9])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{4,}(?![A-Za-z0-9])")
"""A word that mixes letters and digits."""
_LABEL = re.compile(r"(?:[:#\u2116]|\b(?:no|nr|ref)\.|\bnumber)\s*\Z", re.IGNORECASE)
_ACRONYM = re.compile(r"(?<![A-Za-z0-9])([A-Z]{2,8})(?:['’]s)?[ _-](\d{2,8})(?![A-Za-z0-9]|[.,]\d)")
_REVERSED = re.compile(r"(?<![A-Za-z0-9.,])((?:19|20)\d\d)[ _-]([A-Z]{2,8})(?![A-Za-z0-9])")
_DAYS = [
    re.compile(rf"\b{_MONTH} (?P<day>[0-3]?\d)(?:st|nd|rd|th)?,? {_YEAR}\b", re.IGNORECASE),
    re.compile(rf"\b(?P<day>[0-3]?\d)(?:st|nd|rd|th)?(?: of)? {_MONTH},? {_YEAR}\b", re.IGNORECASE),
    re.compile(rf"\b{_YEAR}-(?P<number>[01]\d)-(?P<day>[0-3]\d)\b"),
    re.compile(rf"\b(?P<number>[01]?\d)/(?P<day>[0-3]?\d)/{_YEAR}\b"),
]


def identifiers(text: str) -> frozenset[str]:
    """The identifiers and periods in a text."""
    found = {
        f"{match['year']}q{quarter(match['quarter'])}"
        for pattern in _PERIODS
        for match in pattern.finditer(text)
    }
    found |= {match.group().lower() for match in _CODE.finditer(text)}
    found |= {"".join(match.groups()).lower() for match in _ACRONYM.finditer(text)}
    found |= {(match[2] + match[1]).lower() for match in _REVERSED.finditer(text)}
    return frozenset(found)


def labelled(text: str) -> frozenset[str]:
    """The identifiers that follow a label, as in "Registration: N112ED" and "Invoice No. A4711"."""
    return frozenset(
        match.group().lower()
        for match in _CODE.finditer(text)
        if _LABEL.search(text, max(0, match.start() - 10), match.start())
    )


def quarter(text: str) -> int:
    """The number of a quarter, from "first", "1st" or "1"."""
    return _QUARTERS.get(text.lower()) or int(text)


def days(text: str) -> frozenset[str]:
    """The full dates in a text, in ISO 8601; in 7/1/2023 the month comes first."""
    return frozenset(
        day
        for pattern in _DAYS
        for match in pattern.finditer(text)
        if (day := _day(match.groupdict()))
    )


def _day(parts: dict[str, str]) -> str:
    month = (
        int(parts["number"])
        if parts.get("number")
        else 1 + _MONTHS.index(parts["month"][:3].lower())
    )
    try:
        return date(int(parts["year"]), month, int(parts["day"])).isoformat()
    except ValueError:
        return ""


@functools.lru_cache(4096)
def called(document_id: str, title: str) -> frozenset[str]:
    """The identifiers in a document's file name and title."""
    return identifiers(file_name(document_id).replace("_", " ")) | identifiers(title)


def file_name(document_id: str) -> str:
    """The file name without folders and suffix: "2023 Q3 AAPL" for "reports/2023 Q3 AAPL.pdf"."""
    name = document_id.rpartition("/")[2]
    return name.rpartition(".")[0] or name


def searched(passage: Passage) -> str:
    """The text that lexical search indexes for a passage: the document's names, the context, and
    the text."""
    return f"{_name(passage.document_id, passage.title)}\n{passage.in_context}"


@functools.lru_cache(4096)
def _name(document_id: str, title: str) -> str:
    name = file_name(document_id)
    return " ".join([*([] if name in title else [name]), *sorted(called(document_id, title))])


def day_in_words(day: str) -> str:
    """ "July 1 2023" for 2023-07-01."""
    found = date.fromisoformat(day)
    return f"{found:%B} {found.day} {found.year}"
