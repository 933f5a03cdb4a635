"""Where documents, passages and vectors are stored, and how they are searched.

Every store checks its settings, and a document before it accepts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rag.errors import InputError, MismatchError
from rag.types import Document, Passage


def check(document: Document, passages: Sequence[Passage]) -> None:
    """Raises InputError for passages that could not be cited, and for what is no valid Unicode."""
    for passage in passages:
        if not _is_in(passage, document):
            message = f"passages of {document.id} do not match its text"
            raise InputError(message, "split the document again")

    try:
        document.text.encode()
    except UnicodeEncodeError as error:
        raise _surrogate(document, f"in its text at character {error.start}") from error
    try:
        "\n".join(_names(document, passages)).encode()
    except UnicodeEncodeError as error:
        raise _surrogate(document, "in its names") from error


def _is_in(passage: Passage, document: Document) -> bool:
    """Whether the document has the passage's text at its place."""
    if passage.start < 0 or passage.end - passage.start != len(passage.text):
        return False
    return document.text.startswith(passage.text, passage.start)


def _names(document: Document, passages: Sequence[Passage]) -> list[str]:
    """All texts that are stored beside the document's own."""
    names = [document.id, document.title, document.source, document.sha256]
    names += document.metadata
    names += document.metadata.values()
    for passage in passages:
        names += passage.headings
    for block in document.blocks:
        names.append(block.name)
        names += [column.name for column in block.columns]
    return names


def _surrogate(document: Document, place: str) -> InputError:
    message = f"{document.id!r} contains a lone surrogate {place}"
    return InputError(message, "replace it; it is not a valid character")


def check_settings(
    place: str, stored: Mapping[str, str], expected: Mapping[str, str], remedy: str
) -> None:
    """Raises MismatchError, which names the `place`, if the index was made with other settings.
    `remedy` is what to do if the new ones are right.
    """
    for name, value in expected.items():
        stored_value = stored.get(name)
        if value != stored_value:
            message = f"{place} was made with {name} = {stored_value}, the settings say {value}"
            raise MismatchError(message, f"set RAG_{name.upper()}={stored_value}, or {remedy}")
