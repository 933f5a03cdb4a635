"""Compares two results of the same questions: changes with intervals, and questions that
flipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.errors import InputError
from rag.evaluation.metrics import Interval, measure, paired, table
from rag.evaluation.records import Row
from rag.evaluation.result import Result
from rag.evaluation.squad import is_right


@dataclass(frozen=True, slots=True)
class MetricChange:
    """A metric before and after, and the 95 % interval of the difference; `sure` if that excludes
    0.
    """

    before: float
    after: float
    interval: Interval | None

    @property
    def sure(self) -> bool:
        return self.interval is not None and not self.interval[0] <= 0 <= self.interval[1]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison over the number of common `questions`; `alone` is the number in only one result.
    `gained` and `lost` are (before, after) rows of questions that became right or wrong; refusing
    an unanswerable question is right.
    """

    questions: int
    alone: int
    changes: Mapping[str, MetricChange]
    gained: Sequence[tuple[Row, Row]]
    lost: Sequence[tuple[Row, Row]]


def compare(before: Result, after: Result) -> Comparison:
    """Compare two results. Raises InputError if they have no question in common."""
    old, new = ({(row.id, row.question): row for row in result.rows} for result in (before, after))
    pairs = [(row, new[key]) for key, row in old.items() if key in new]
    if not pairs:
        names = f"{before.facts['name']} and {after.facts['name']}"
        raise InputError(
            f"the results of {names} have no question in common",
            "compare results of the same gold set",
        )
    columns = [table(rows) for rows in zip(*pairs, strict=True)]
    first, second = (measure(side) for side in columns)
    spread = paired(columns[0], columns[1], [row.group for row, _ in pairs])
    changes = {
        name: MetricChange(first[name], second[name], spread.get(name))
        for name in first
        if name in second
    }
    flipped = [
        (side, counterpart) for side, counterpart in pairs if served(side) != served(counterpart)
    ]
    gained = [pair for pair in flipped if served(pair[1])]
    lost = [pair for pair in flipped if not served(pair[1])]
    return Comparison(len(pairs), len(old) + len(new) - 2 * len(pairs), changes, gained, lost)


def served(row: Row) -> bool:
    """Whether the answer is right, or an unanswerable question was refused; for retrieval, whether
    a relevant document is first.
    """
    if row.kind == "retrieval":
        return any(rank == 1 for rank, _ in row.found)
    return is_right(row.text, row.answers) if row.kind == "answerable" else row.text is None
