"""Which cell of a table's row a question asks for, by the headers that stand in the row ("Service:
Repair | Guest price: 32").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass

from rag.english.sentences import Offsets
from rag.english.text import content_words

_BAR, _COLON = " | ", ": "


@dataclass(frozen=True, slots=True)
class _Cell:
    place: Offsets
    header: frozenset[str]
    value: frozenset[str]

    def is_named(self, asked: Set[str]) -> bool:
        """Whether most of it is what the question knows of the row, "Repair" in "What does a repair
        cost guests?".
        """
        return bool(self.value) and 2 * len(self.value & asked) > len(self.value)


def asked_for(asked: Set[str], row: str, start: int, end: int) -> float:
    """1 if this cell, `row[start:end]`, has words of the question in its header that no other's
    header has; -1 if another cell has and this one has not; 0 otherwise, as outside of tables.
    Cells whose value the question names are not asked for."""
    if _BAR not in row:
        return 0.0
    headed = [cell for cell in _cells(row) if cell.header]
    cells = [cell for cell in headed if not cell.is_named(asked)]
    own = next((cell for cell in cells if cell.place[0] <= start and end <= cell.place[1]), None)
    if own is None:
        return 0.0
    counts = Counter(word for cell in headed for word in cell.header)
    wanted = [cell for cell in cells if any(counts[word] == 1 for word in asked & cell.header)]
    return 1.0 if own in wanted else -1.0 if wanted else 0.0


def _cells(row: str) -> Iterator[_Cell]:
    at = 0
    for cell in row.split(_BAR):
        header, colon, value = cell.partition(_COLON)
        yield _Cell(
            (at, at + len(cell)),
            content_words(header if colon else ""),
            content_words(value if colon else cell),
        )
        at += len(cell) + len(_BAR)
