"""The day that a document states of itself: in its title, or in its opening as a letter has it."""

import re

from rag.meaning.dates import all_dates
from rag.meaning.relative_dates import document_date
from rag.parsing.base import Parsed

_STATED = ("published", "created")
"""Fields that date a document, too, besides "date"."""
_WRITTEN = re.compile(
    r"(?i)(?:[\w'’-]+ ){0,3}(?:minutes|letter|memo|memorandum|notes?|agenda|protocol|record"
    r"|transcript|bulletin|newsletter|invoice|offer|quotation|statement|press release|e-?mail)\b"
)
"""What a title begins with if "of 7 May 2024" at its end is the day of the document itself, and not
of something that happened, as in "The storm of 7 May 2024".
"""
_SEPARATOR = re.compile(r"(?:[,:;(\[|\u2013\u2014]| -)\s*(?:dated?:?\s+|on\s+)?\Z")
"""Before a day that a title sets apart: "Minutes, 16 January 2024"."""
_OF = re.compile(r"(?i)\b(?:of|on|dated)\s+\Z")
_END = re.compile(r"[\s\W]*(?:\([^()]*\)\W*)?\Z")


def stated_day(parsed: Parsed) -> str:
    """The day in ISO 8601, or "" if neither title nor opening states one, or if a field does.

    A table is no opening: the first of its days is that of a row.
    """
    if any(parsed.metadata.get(name) for name in _STATED):
        return ""

    tables = [block.start for block in parsed.blocks if block.kind == "table"]
    opening = parsed.text[: min(tables, default=len(parsed.text))]
    day = document_date({}, opening)
    in_opening = day.isoformat() if day else ""
    return _day_of_title(parsed.metadata.get("title", "")) or in_opening


def _day_of_title(title: str) -> str:
    """The only day in a title, if it is that of the document."""
    found = all_dates(title)
    if len(found) != 1:
        return ""

    (date,) = found
    is_day = date.is_certain and date.precision == "day" and not date.iso.startswith("-")
    text_before = title[: date.start]
    is_apart = not text_before.strip() or _SEPARATOR.search(text_before)
    is_of_document = is_apart or (_WRITTEN.match(title) and _OF.search(text_before))
    is_at_end = not text_before.strip() or _END.match(title, date.end)
    return date.iso if is_day and is_of_document and is_at_end else ""
