"""Answers questions about the documents themselves: which exist, how many, which mention something,
who wrote one, and when.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from rag.answering.candidate import Candidate
from rag.answering.overview import meant
from rag.meaning.dates import Dated, includes, only_date
from rag.meaning.words import singular_words
from rag.structure import sentence_around, sentences_in
from rag.types import Document, Hit, Passage, Place

_LIST_PROBABILITY = 0.95
"""Probability of a list of all documents for a question that asks for nothing else."""
MOST_DOCUMENTS = 20
"""Maximum number of documents named in an answer."""
_CANDIDATES = 2000
"""Number of passages searched for a mention."""
_HEAD = 1000
"""Characters at the start of a document in which its first words are looked for."""
_SHORT_HEAD = 80
"""Number of characters that are shown of a document without sentences."""
_DOCUMENTS = (
    r"(?:documents?|files?|papers?|notes?|pages?"
    r"|reports?|sources?|articles?|e?-?mails?|letters?|manuals?|pdfs?)"
)
_KIND = rf"(?:{_DOCUMENTS}|\b(?:which|what)(?: of (?:the|my|our|these))? [\w-]+s)"
"""Documents by that name, or what these documents are: "which recipes"."""
_ASKS = {
    kind: re.compile(pattern, re.IGNORECASE)
    for kind, pattern in {
        "author": r"\bwho (?:wrote|authored|is the author|was the author|made|created|sent)\b"
        r"|\bauthor of\b|\bwritten by whom\b",
        "day": r"\bwhen (?:was|were)\b.*\b(?:written|published|created|sent|issued|dated|updated|"
        r"modified)\b|\bdate of\b",
        "documents": rf"\b{_DOCUMENTS}\b",
        "needed": rf"(?<!\bin )\b(?:which|what)(?: \w+)? {_DOCUMENTS} (?:(?:do|does|did) (?!(?:you"
        r"|we|i) (?:have(?! to)|know)\b|.*\b(?:write|send|publish|mention|say)\b)|must|should"
        r"|shall|may|can|need to|ha(?:s|ve) to|(?:is|are|has|have) (?:to be|been|needed|required"
        r"|necessary|enclosed|attached)\b)",
        "count": r"\b(?:how many|number of|count)\b",
        "count of all": rf"\b(?:how many|number of|count)(?: of)?(?: the| my| our)?(?: \w+)? "
        rf"{_DOCUMENTS}\b(?:\W|\b(?:are|is|there|do|does|have|has|you|i|we|know|in|of|the|my|our|"
        r"this|index|collection|library|archive|folder \S+|stored|indexed|altogether|total)\b)*$",
        "all": r"^\W*(?:(?:please|can|could|you|show|list|name|give|tell|me|us|a|of|all|the|my|our"
        r"|what|which)\s+)+(?:documents|files|sources)\b(?:\W|\b(?:are|is|there|do|have|you|i|we"
        r"|know|in|the|my|our|this|index|collection|library|stored|indexed)\b)*$",
        "by or from": rf"(?:\b(?:{_DOCUMENTS}|anything|something|everything)\b|^\W*what\b"
        r"(?=.*\b(?:by|written|published|sent|write|send|publish|dated)\b)).*?"
        r"\b(?:by|from|of|in|on|dated|written|published|sent|did) (?P<what>[^?]+?)"
        r"(?: (?:write|send|publish))? ?(?:\?|$)",
        "passive": rf"\b{_KIND}\b (?:is|are|was|were) (?P<what>[^?]+?) (?:mentioned|described|"
        r"discussed|covered|named)\b",
        "mention": rf"\b{_KIND}\b.*?\b(?:mention(?:s|ing)?|contain(?:s|ing)?|about|"
        r"discuss(?:es|ing)?|refer(?:s|ring)? to|talks? about|deals? with|describ(?:es?|ing)|"
        r"cover(?:s|ing)?|on|says? (?:something|anything) (?:on|about)|includes?|names?|uses?|"
        r"needs?|requires?|explains?)\b (?P<what>[^?]+)",
        "where": r"\bwhere (?:is|are|do(?:es)?) (?P<what>[^?]+?) (?:mentioned|described|discussed|"
        r"covered)\b",
    }.items()
}
"""Patterns of questions about documents, by what they ask; the group `what` is the topic, person or
time.
"""
_LONGEST_QUESTION = 500
"""Characters; the patterns' time grows with the square of the question's length."""
_TOPIC = re.compile(
    r"(?:(?:the|an?|any|word|term|name|topic|subject) )*(?P<topic>.*?)"
    r"(?:\b(?:in|of|from) (?:the |my |our |this )?"
    r"(?:documents|index|collection|library|files|archive))?",
    re.IGNORECASE | re.DOTALL,
)
_QUOTES = re.compile(r"[\"“](.+?)[\"”]")
_NO_TOPICS = frozenset("there here file hand disk record index it them this that".split())
_AUTHOR_KEYS = ("author", "from", "creator", "sender")
_DATE_KEYS = ("date", "published", "created", "modified")


class Library(Protocol):
    """The part of a store that this needs."""

    def documents(self, after: str = "", limit: int | None = None) -> list[Document]: ...

    def document(self, document_id: str) -> Document | None: ...

    def lexical(self, question: str, k: int) -> list[tuple[int, float]]: ...

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]: ...


def catalogue(
    question: str,
    library: Library,
    listed: Sequence[Document],
    hits: Sequence[Hit],
    is_alone: bool = False,
) -> Candidate | None:
    """An answer from titles, metadata and counts; None if they contain none or the question is
    unclear or long. `listed` are the documents that pass the filter, without their text. If the
    filter `is_alone`, of one document, only its author and date answer.
    """
    question = " ".join(question.split())  # several spaces would make the patterns backtrack
    if len(question) > _LONGEST_QUESTION:
        return None
    for kind, keys in (("author", _AUTHOR_KEYS), ("day", _DATE_KEYS)):
        if _ASKS[kind].search(question):
            return _metadata(question, library, listed, hits, keys)
    if is_alone:
        return None

    asks_for_count = bool(_ASKS["count"].search(question))
    match = _ASKS["by or from"].search(question)
    documents = _by_or_from(match["what"], listed) if match else []
    if documents:
        return _all_documents(asks_for_count, library, documents)
    if _ASKS["needed"].search(question):
        return None
    topic = _asked_topic(question)
    if topic:
        return _documents_with_words(topic, asks_for_count, library, listed)

    if asks_for_count and not _ASKS["count of all"].search(question):
        return None
    if not _ASKS["documents"].search(question):
        return None
    every = _all_documents(asks_for_count, library, listed)
    if every is not None and _ASKS["all"].search(question):
        return replace(every, probability=_LIST_PROBABILITY)
    return every


def _asked_topic(question: str) -> str:
    """What documents are asked to mention, or ""."""
    for kind in ("passive", "mention", "where"):
        match = _ASKS[kind].search(question)
        if match:
            return _topic(match["what"])
    return ""


def _topic(text: str) -> str:
    """The topic without articles and "in my documents"; "" if nothing is left, or only a word such
    as "there".
    """
    quoted_words = _QUOTES.search(text)
    if quoted_words:
        text = quoted_words[1]
    topic = text.strip(" .,!?'\"")
    match = _TOPIC.fullmatch(topic)
    if match:
        topic = match["topic"].strip(" .,!?'\"")
    return "" if topic.lower() in _NO_TOPICS else topic


def _metadata(
    question: str,
    library: Library,
    listed: Sequence[Document],
    hits: Sequence[Hit],
    keys: Sequence[str],
) -> Candidate | None:
    """The first of these values in the metadata of the document that the question means."""
    name = meant(question, listed, hits)
    document = library.document(name) if name else None
    if document is None:
        return None
    value = _first_metadata_value(document, keys)
    return _candidate([first_words(document)], 1, value) if value else None


def _candidate(places: Sequence[Place], total: int, text: str = "") -> Candidate:
    """Up to `MOST_DOCUMENTS` of `total` documents, one place each; without `text`, their titles are
    the answer.
    """
    listed = tuple(places[:MOST_DOCUMENTS])
    titles = "\n".join(place.label for place in listed)
    remaining = max(0, total - MOST_DOCUMENTS)
    return Candidate("catalogue", "catalogue", listed, text=text or titles, more=remaining)


def _by_or_from(topic: str, listed: Sequence[Document]) -> list[Document]:
    """The documents by an author, or of a day, a month or a year."""
    name = singular_words(topic)
    when = only_date(topic)
    documents = []
    for document in listed:
        is_by = bool(name) and name <= singular_words(_first_metadata_value(document, _AUTHOR_KEYS))
        if is_by or (when and _is_dated_within(document, when)):
            documents.append(document)
    return documents


def _is_dated_within(document: Document, when: Dated) -> bool:
    """Whether the metadata say that a document is of a day, a month or a year."""
    day = only_date(_first_metadata_value(document, _DATE_KEYS))
    return day is not None and includes(when, day)


def _first_metadata_value(document: Document, keys: Sequence[str]) -> str:
    """The first of these values in a document's metadata, or ""."""
    for key in keys:
        value = document.metadata.get(key)
        if value:
            return value
    return ""


def _documents_with_words(
    topic: str, count: bool, library: Library, listed: Sequence[Document]
) -> Candidate | None:
    """Documents that contain the words, those with the whole phrase first; each with its first such
    sentence.
    """
    allowed = {document.id for document in listed}
    ids = [number for number, _ in library.lexical(topic, _CANDIDATES)]
    passages = library.passages(ids)
    by_document: dict[str, list[Passage]] = {}
    for number in ids:
        passage = passages.get(number)
        if passage and passage.document_id in allowed:
            by_document.setdefault(passage.document_id, []).append(passage)

    places = []
    for document_id, of_document in by_document.items():
        place = mention(topic, library.document(document_id), of_document)
        if place:
            places.append(place)
    if not places:
        return None
    return _candidate(places, len(places), _number_in_words(len(places)) if count else "")


def mention(topic: str, document: Document | None, passages: Sequence[Passage]) -> Place | None:
    """The first sentence with the words of the topic, best with the whole phrase, or None."""
    if document is None:
        return None
    phrase = re.search(rf"(?<!\w){re.escape(topic)}(?!\w)", document.text, re.IGNORECASE)
    if phrase:
        start, end = sentence_around(document.blocks, phrase.start(), phrase.end())
        return Place(document.id, start, end, document.title)

    topic_words = singular_words(topic)
    if not topic_words:
        return None
    for passage in passages:
        for start, end in sentences_in(document.blocks, passage.start, passage.end):
            sentence = f"{passage.context} {document.text[start:end]}"
            if topic_words <= singular_words(sentence):
                return Place(document.id, start, end, document.title)
    return None


def _all_documents(count: bool, library: Library, listed: Sequence[Document]) -> Candidate | None:
    """The listed documents by their first words, or their number."""
    places = []
    for entry in listed[:MOST_DOCUMENTS]:
        document = library.document(entry.id)
        if document:
            places.append(first_words(document))
    if not places:
        return None
    return _candidate(places, len(listed), _number_in_words(len(listed)) if count else "")


def _number_in_words(number: int) -> str:
    """The number of documents in words."""
    plural = "" if number == 1 else "s"
    return f"{number:,} document{plural}"


def first_words(document: Document) -> Place:
    """The first words of a document, which may be its title."""
    title = document.title
    offset = document.text.find(title, 0, _HEAD) if title else -1
    if offset >= 0:
        return Place(document.id, offset, offset + len(title), title)

    sentences = sentences_in(document.blocks, 0, _HEAD)
    start, end = 0, min(_SHORT_HEAD, len(document.text))
    if sentences:
        start, end = sentences[0]
    return Place(document.id, start, end, title)
