"""The labels of a table's rows, with the groups that they belong to, such as "Current assets:"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from rag.parsing.pdf_cells import PdfRow

_EDGE = 1.0
"""Tolerance for equal left edges, in points."""
_LONG, _LONGEST = 100, 60
"""Maximum length of a group's label to repeat before a row's own, and of those of all groups."""
_WRAPPED = 0.15
"""Lines of one label are closer than rows by this many font heights."""


@dataclass(slots=True)
class _Group:
    label: str
    left: float
    rows_left: float
    """edge of its first row; the group's own if its rows are not indented"""

    @property
    def indented(self) -> bool:
        """Whether its rows begin further right than its label."""
        return self.rows_left > self.left + _EDGE


@dataclass(slots=True)
class Groups:
    """The labels that apply to the next row, from the outermost."""

    repeated: frozenset[str] = frozenset()
    """Labels of several rows, which are named by the row above that they are indented under."""
    _open: list[_Group] = field(default_factory=list)
    _above: tuple[str, float] = ("", 0.0)
    """the last row that was not indented under another, and its edge"""

    def open(self, label: str, left: float, below: float) -> None:
        """A label without figures at the edge `left`, above a row at `below`. It names the rows
        that are indented below it, or with a colon also those that are not.
        """
        self._close(left, True)
        if below > left + _EDGE or label.endswith(":"):
            self._open.append(_Group(label.rstrip(":"), left, max(left, below)))
            self._above = "", 0.0

    def named(self, label: str, left: float) -> str:
        """The row's label after those of its groups, which alone name a sum without a label. A sum
        closes the group whose rows it is indented from.
        """
        self._close(left, False)
        if label and self._is_sum(label, left):
            self._open.pop()
        names = [label] if label else []
        above, edge = self._above
        if label in self.repeated and above and left > edge + _EDGE:
            names.insert(0, above)
        else:
            self._above = label, left
        return ": ".join([*self._names(), *names])

    def _is_sum(self, label: str, left: float) -> bool:
        """Whether the row is the sum of the innermost group."""
        total = label.lower().startswith("total")
        return bool(self._open) and (total or left > self._open[-1].rows_left + _EDGE)

    def _names(self) -> list[str]:
        """The labels of the innermost groups that are short enough to repeat."""
        names: list[str] = []
        length = 0
        for group in reversed(self._open):
            length += len(group.label)
            if length > (_LONGEST if names else _LONG):
                break
            names.insert(0, group.label)
        return names

    def _close(self, left: float, at_edge: bool) -> None:
        """Close the groups that do not reach a row at `left`. With `at_edge`, a group without
        indents does not reach another row at its own edge.
        """
        while self._open:
            last = self._open[-1]
            at_its_edge = not last.indented and not at_edge and left > last.left - _EDGE
            if left > last.left + _EDGE or at_its_edge:
                break
            self._open.pop()


def wrapped(rows: Sequence[PdfRow]) -> list[bool]:
    """For each row, whether it is closer to the row above than rows of the table are."""
    gaps = [below.top - above.bottom for above, below in pairwise(rows)]
    usual = median(gaps) if gaps else 0.0
    return [False, *(gap < usual - _WRAPPED * rows[0].size for gap in gaps)]
