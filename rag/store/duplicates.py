"""Finds copies (documents with equal text) and editions (documents that share most passages)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MOST = 0.5
"""Share of the shorter document's passages that two editions have in common."""
_NAMED = 5
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
    groups: dict[str, list[int]] = {}
    ids: dict[int, str] = {}

    for row, document_id, digest in documents:
        ids[row] = document_id
        groups.setdefault(digest or f"row {row}", []).append(row)

    firsts = {rows[0] for rows in groups.values()}
    owner: dict[int, int] = {}

    sizes, shared = Counter[int](), Counter[tuple[int, int]]()

    for row, text in passages:
        if row in firsts:  # another copy adds no information
            sizes[row] += 1
            if (first_row := owner.setdefault(text, row)) != row:
                shared[first_row, row] += 1

    editions = [
        (ids[a], ids[b], count / size)
        for (a, b), count in shared.items()
        if (size := min(sizes[a], sizes[b])) >= _FEWEST and count >= _MOST * size
    ]

    copies = [[ids[row] for row in rows] for rows in groups.values() if len(rows) > 1]
    return Duplicates(copies, sorted(editions, key=lambda edition: (-edition[2], edition)))


def described(duplicates: Duplicates) -> str:
    """The copies and editions in words, or "none"."""
    copies = [" = ".join(group) for group in duplicates.copies]
    editions = [f"{a} ~ {b} ({share:.0%} of the passages)" for a, b, share in duplicates.editions]
    lines = [f"equal documents: {named(copies)}"] if copies else []
    lines += [f"editions of one document: {named(editions)}"] if editions else []
    return "; ".join(lines) or "none"


def named(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    unlisted = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + unlisted
