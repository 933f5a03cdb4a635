"""Questions for what a day's meeting or message was about: "what was discussed on 24 July?"."""

from __future__ import annotations

import re

from rag.meaning.dates import days_as_written, named_days, share_day
from rag.meaning.words import content_words
from rag.types import Document

_ASKS = re.compile(r"(?i)\W*(?:what|which (?:topics|points|items))\b")
_OF_A_MEETING = content_words(
    "discuss discussed happen happened talk talked said say topics points items agenda meeting "
    "minutes session mail email letter message committee board council club team group members"
)
"""Words that ask about a meeting or a message as a whole. A decision is a part of it."""


def may_ask_of_a_day(question: str) -> bool:
    """Whether a question may ask what a day's meeting or message was about, such as "what was
    discussed on 24 July?".
    """
    is_about_a_meeting = bool(content_words(question) & _OF_A_MEETING)
    return is_about_a_meeting and bool(_ASKS.match(question)) and bool(named_days(question))


def is_asked_as_a_whole(document: Document, question: str) -> bool:
    """Whether the question asks what the meeting or message of this document's day was about:
    besides the day it has only words for that, and those of the title.
    """
    if not may_ask_of_a_day(question) or not has_one_of_days(document, named_days(question)):
        return False
    headings = (block.name for block in document.blocks if block.kind == "heading")
    if any(named_days(name) for name in headings if name != document.title):
        return False  # a log of several days

    for words in days_as_written(question).values():
        question = question.replace(words, " ")
    return content_words(question) <= _OF_A_MEETING | content_words(document.title)


def has_one_of_days(document: Document, days: frozenset[str]) -> bool:
    """Whether one of the days is that of the document, by its title or else its metadata."""
    stated_days = named_days(document.title) or {document.metadata.get("date", "")}
    return share_day(days, stated_days)
