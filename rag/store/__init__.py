"""Where documents, passages and vectors are stored, and how they are searched.

Every store checks its settings, and a document before it accepts it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rag.errors import InputError, StoreError
from rag.types import Document, Passage


def check(document: Document, passages: Sequence[Passage]) -> None:
    """Raises InputError for passages that could not be cited, and for what is no valid Unicode."""
    for p in passages:
        is_placed = 0 <= p.start == p.end - len(p.text)
        if not (is_placed and document.text.startswith(p.text, p.start)):
            message = f"passages of {document.id} do not match its text"
            raise InputError(message, "split the document again")
    names = [document.id, document.title, document.source, document.sha256]
    names += [name for pair in document.metadata.items() for name in pair]
    names += [heading for passage in passages for heading in passage.headings]
    for block in document.blocks:
        names += [block.name, *(column.name for column in block.columns)]
    place = "in its text"
    try:
        document.text.encode()
        place = "in its names"
        "\n".join(names).encode()
    except UnicodeEncodeError as error:
        where = f"{place} at character {error.start}" if place == "in its text" else place
        message = f"{document.id!r} contains a lone surrogate {where}"
        raise InputError(message, "replace it; it is not a valid character") from error


def check_settings(
    place: str, stored: Mapping[str, str], expected: Mapping[str, str], remedy: str
) -> None:
    """Raises StoreError, which names the `place`, if the index was made with other settings.
    `remedy` is what to do if the new ones are right.
    """
    for name, value in expected.items():
        if value != (made_with := stored.get(name)):
            message = f"{place} was made with {name} = {made_with}, the settings say {value}"
            raise StoreError(message, f"set RAG_{name.upper()}={made_with}, or {remedy}")
