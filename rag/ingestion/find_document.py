"""Finds a document by its id, path or title."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from rag.errors import NotFoundError
from rag.types import MEMBER_SEPARATOR, Document

_MOST_SUGGESTED = 3
"""Number of document ids that a "did you mean" suggests."""


def find_document(
    documents: Sequence[Document], name: str, listing: str = "rag list", titles: bool = False
) -> Document:
    """The document with this id or path, or with `titles` the only one with this title.

    Raises NotFoundError, which suggests ids, or the command `listing`.
    """
    source = name
    if MEMBER_SEPARATOR not in name:
        source = str(Path(name).expanduser().resolve())

    matches = [document for document in documents if document.id == name]
    if not matches:
        matches = [document for document in documents if document.source == source]
    if titles and not matches:
        title = name.casefold()
        matches = [document for document in documents if document.title.casefold() == title]
    if len(matches) == 1:
        return matches[0]

    suggestions = similar_ids(name, [document.id for document in documents])
    hint = f"list the documents with: {listing}"
    if suggestions:
        hint = f"did you mean {' or '.join(suggestions)}?"
    raise NotFoundError(f"no document {name} in the index", hint)


def similar_ids(name: str, ids: Sequence[str]) -> list[str]:
    """Up to three ids that end with `name`, else that contain it, else that are spelled alike."""
    folded = name.casefold()
    ending = []
    containing = []
    for document_id in ids:
        folded_id = document_id.casefold()
        without_suffix, _, _ = folded_id.rpartition(".")
        if folded_id.endswith(f"/{folded}") or without_suffix.endswith(f"/{folded}"):
            ending.append(document_id)
        if folded in folded_id:
            containing.append(document_id)

    matching = ending or containing
    if not matching:
        matching = difflib.get_close_matches(name, ids, _MOST_SUGGESTED, 0.8)
    return matching[:_MOST_SUGGESTED]
