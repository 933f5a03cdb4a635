"""Finds a document by its id, path or title."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from rag.errors import NotFoundError
from rag.types import MEMBER_SEPARATOR, Document

_NEAR = 3
"""Number of document ids that a "did you mean" suggests."""


def find_document(
    documents: Sequence[Document], name: str, listing: str = "rag list", titles: bool = False
) -> Document:
    """The document with this id or path, or with `titles` the only one with this title.

    Raises NotFoundError, which suggests ids, or the command `listing`.
    """
    source = name if MEMBER_SEPARATOR in name else str(Path(name).expanduser().resolve())
    matches = [d for d in documents if d.id == name] or [d for d in documents if d.source == source]
    if titles and not matches:
        matches = [d for d in documents if d.title.casefold() == name.casefold()]
    if len(matches) == 1:
        return matches[0]
    similar = nearest(name, [document.id for document in documents])
    hint = (
        f"did you mean {' or '.join(similar)}?"
        if similar
        else f"list the documents with: {listing}"
    )
    raise NotFoundError(f"no document {name} in the index", hint)


def nearest(name: str, ids: Sequence[str]) -> list[str]:
    """Up to three ids that end with `name`, else that contain it, else that are spelled alike."""
    folded = name.casefold()
    paths = {i: (i.casefold(), i.casefold().rpartition(".")[0]) for i in ids}
    ends = [i for i in ids if any(path.endswith(f"/{folded}") for path in paths[i])]
    holds = [i for i in ids if folded in i.casefold()]
    return (ends or holds or difflib.get_close_matches(name, ids, _NEAR, 0.8))[:_NEAR]
