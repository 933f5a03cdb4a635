"""Finds copies (documents with equal text) and editions (documents that share most passages)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass

_LEAST_SHARE = 0.5
"""Share of the shorter document's passages that two editions have in common."""
_MOST_NAMED = 5
"""Names that are listed; others are counted."""
_FEWEST = 3
"""Minimum number of passages of an edition."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Groups of ids with equal text; (id, id, share of the shorter's passages), closest first."""

    copies: list[list[str]]
    editions: list[tuple[str, str, float]]


def duplicates(
    documents: Iterable[tuple[int, str, str]], passages: Iterable[tuple[int, int]]
) -> Duplicates:
    """Find copies and editions among documents, given as (row, id, digest of the text, "" if it
    is unknown) by id, and their passages, as (row of the document, hash of the text) in order.
    """
    ids: dict[int, str] = {}
    groups: dict[str, list[int]] = {}
    for row, document_id, digest in documents:
        ids[row] = document_id
        groups.setdefault(digest or f"row {row}", []).append(row)

    # another copy adds no information
    first_rows = {rows[0] for rows in groups.values()}
    editions = []
    for row, other_row, share in _editions(first_rows, passages):
        editions.append((ids[row], ids[other_row], share))
    editions.sort(key=lambda edition: (-edition[2], edition))

    copies = []
    for rows in groups.values():
        if len(rows) > 1:
            copies.append([ids[row] for row in rows])
    return Duplicates(copies, editions)


def _editions(
    rows: Set[int], passages: Iterable[tuple[int, int]]
) -> Iterator[tuple[int, int, float]]:
    """(row, row, share of the shorter's passages) of editions among the documents with these rows:
    a passage of several documents counts for the first of them.
    """
    first_row_with: dict[int, int] = {}
    sizes = Counter[int]()
    shared = Counter[tuple[int, int]]()
    for row, text in passages:
        if row not in rows:
            continue
        sizes[row] += 1
        first_row = first_row_with.setdefault(text, row)
        if first_row != row:
            shared[first_row, row] += 1

    for (row, other_row), count in shared.items():
        size = min(sizes[row], sizes[other_row])
        share = count / size
        if size >= _FEWEST and count >= _LEAST_SHARE * size:
            yield row, other_row, share


def duplicates_in_words(duplicates: Duplicates) -> str:
    """The copies and editions in words, or "none"."""
    parts = []
    if duplicates.copies:
        copies = [" = ".join(group) for group in duplicates.copies]
        parts.append(f"equal documents: {first_names(copies)}")
    if duplicates.editions:
        editions = []
        for document_id, other_id, share in duplicates.editions:
            editions.append(f"{document_id} ~ {other_id} ({share:.0%} of the passages)")
        parts.append(f"editions of one document: {first_names(editions)}")
    return "; ".join(parts) or "none"


def first_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    listed = ", ".join(names[:_MOST_NAMED])
    if len(names) <= _MOST_NAMED:
        return listed
    return f"{listed} and {len(names) - _MOST_NAMED} more"
