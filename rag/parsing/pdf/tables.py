"""A table of a PDF page as text: its columns, its caption, and its rows, each with its label after
the labels above that it is indented under.

A row is written as "Net sales | Three Months Ended July 1, 2023: $81,797 | ...": its label, and
each value after the headers above it.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from rag.parsing.base import Part
from rag.parsing.pdf.marks import EdgePair
from rag.parsing.pdf.rows import Rows, is_body, is_period
from rag.parsing.tables import UNIT, TableText, labelled

_LONGEST_TITLE = 100
_LONGEST_GROUP = 100
"""Maximum length of a group's label to repeat before a row's own."""
_LONGEST_GROUPS = 60
"""Maximum length of the labels of several groups to repeat."""
_LONGEST_NAME = 60
"""Characters of the name of the labels' column."""
BEGINS_WITH_WORD = re.compile(r"\W*[^\W\d]|%")
_SAME_EDGE = 1.0
"""Tolerance for equal left edges, in points."""
_SAME_COLUMN = 12
"""Tolerance for the right edges of a column on two pages, in points."""


@dataclass(slots=True)
class PdfColumns:
    """The columns of a table from the left: their edges and names. Column 0 holds the labels; its
    edges are 0 if there are no rules.
    """

    spans: list[EdgePair]
    names: list[str] = field(default_factory=list)
    caption: tuple[str, ...] = ()
    """the title and unit of the table"""

    def agree(self, columns_above: "PdfColumns") -> bool:
        """Whether both have the same columns, as a table and its continuation do."""
        if len(self.spans) != len(columns_above.spans):
            return False
        for (_, right), (_, right_before) in zip(self.spans, columns_above.spans, strict=True):
            if abs(right - right_before) >= _SAME_COLUMN:
                return False
        return True


@dataclass(frozen=True, slots=True)
class PdfTable:
    """A table as a part of a document, named by its caption; in rows `[begin, end)` of the column
    of text if it has no rules. `columns` is None if they were not recognised.
    """

    part: Part
    columns: PdfColumns | None = None
    begin: int = 0
    end: int = 0


@dataclass(slots=True)
class TableEntry:
    """A row of a table's body before its label is completed by its groups; `left` is the label's
    edge. A `title` spans all columns, a `group` may name the rows below it. The label of a `row`
    may be empty, as that of a sum; that of a `part` of the row above is among the values, if any.
    """

    kind: str
    label: str
    left: float
    values: dict[int, str]


def write_header(text: TableText, cells: Sequence[tuple[int, str]], names: Sequence[str]) -> None:
    """Write a header row from its cells, (column, text), above columns of these names."""
    columns = [column for column, _ in cells]
    end = max(len(names), columns[-1] + 1)
    widths: list[int] = []
    for column, following in pairwise([*columns, end]):
        widths.append(max(following - column, 0))
    text.header(
        cells=[words for _, words in cells],
        names=names,
        spans=widths,
        first_column=columns[0],
    )


class _LabelGroup(NamedTuple):
    label: str
    left: float
    rows_left: float
    """edge of its first row; the group's own if its rows are not indented"""


@dataclass(slots=True)
class _Labels:
    """The labels that name the row to be written: the last title, the groups that are open, the
    outermost first, and the last row that other rows may be indented under.
    """

    title: str = ""
    groups: list[_LabelGroup] = field(default_factory=list)
    label_above: str = ""
    above_left: float = 0.0

    def begin(self, title: str) -> None:
        """Begin a part of the table; its title names the rows below if it is short enough."""
        has_blank = "__" in title  # to fill in
        is_name = len(title) <= _LONGEST_TITLE and not has_blank
        self.title = title.rstrip(":") if is_name else ""
        self.groups.clear()
        self.label_above = ""

    def open_group(self, group: TableEntry, entry_below: TableEntry) -> None:
        """Open a group, if it may name the rows below."""
        has_indent = entry_below.left > group.left + _SAME_EDGE
        if not has_indent and not group.label.endswith(":"):
            return
        opened_group = _LabelGroup(
            label=group.label.rstrip(":"),
            left=group.left,
            rows_left=max(group.left, entry_below.left),
        )
        self.groups.append(opened_group)
        self.label_above = ""

    def close_groups(self, entry: TableEntry) -> None:
        """Close the groups that an entry is not in."""
        while self.groups and entry.left <= _reach(self.groups[-1], entry.kind):
            self.groups.pop()

    def of(self, row: TableEntry, is_repeated: bool) -> str:
        """The whole label of a row; other rows have the same label if `is_repeated`."""
        if row.label and self.groups:
            is_sum = row.label.lower().startswith("total")
            is_further_right = row.left > self.groups[-1].rows_left + _SAME_EDGE
            if is_sum or is_further_right:
                self.groups.pop()

        is_indented = row.left > self.above_left + _SAME_EDGE
        if row.label and is_repeated and self.label_above and is_indented:
            path = _path(self.groups, [self.label_above, row.label])
        else:
            path = _path(self.groups, [row.label])
            self.label_above = row.label
            self.above_left = row.left

        if self.title and row.label:
            return f"{self.title}: {path}"
        return path


def write_body(
    text: TableText,
    entries: Sequence[TableEntry],
    names: Sequence[str],
    is_label_named: bool = False,
) -> None:
    """Write the rows with values, each label after those of its groups, and the groups' labels. The
    name of the labels' column is written before them only if it `is_label_named`.

    A group names the rows that are indented below it, or with a colon also those at its own edge,
    up to another group there. A sum closes the group whose rows it is indented from. A label of
    several rows is named by the row that it is indented under.
    """
    counts = Counter(entry.label for entry in entries if entry.kind == "row")
    labels = _Labels()
    for entry, entry_below in zip(entries, [*entries[1:], None], strict=True):
        if entry.kind == "title":
            labels.begin(entry.label)
            text.row([(0, "", entry.label)])
            continue

        label = entry.label
        if entry.kind != "part":
            labels.close_groups(entry)
        if entry.kind == "group" and entry_below:
            labels.open_group(entry, entry_below)
        elif entry.kind == "row":
            label = labels.of(entry, is_repeated=counts[label] > 1)

        if list(names) != text.names:
            text.name_columns(names)
        cells: dict[int, str] = {}
        if label:
            cells[0] = label
        cells |= entry.values
        written_names = names if is_label_named else ["", *names[1:]]
        text.row(labelled(sorted(cells.items()), written_names))


def name_of_labels(corner: str, labels: Sequence[str]) -> str:
    """The name of the labels' column by the text over it: "" for a unit, and for other texts over
    labels that are mostly figures, which then would be taken for values.
    """
    is_name = len(corner) <= _LONGEST_NAME and BEGINS_WITH_WORD.match(corner)
    if not is_name or corner.endswith(":") or UNIT.search(corner) or is_period(corner):
        return ""
    in_words = sum(BEGINS_WITH_WORD.match(label) is not None for label in labels)
    return corner if 2 * in_words > len(labels) else ""


def _reach(group: _LabelGroup, kind: str) -> float:
    """Rows further right are in the group, and other groups that are."""
    has_indent = group.rows_left > group.left + _SAME_EDGE
    if has_indent or kind == "group":
        return group.left + _SAME_EDGE
    return group.left - _SAME_EDGE


def _path(groups: Sequence[_LabelGroup], labels: Sequence[str]) -> str:
    """The labels after those of the inner groups, as many as are short enough."""
    names = [label for label in labels if label]
    length = 0
    for number, group in enumerate(reversed(groups)):
        length_limit = _LONGEST_GROUPS if number else _LONGEST_GROUP
        length += len(group.label)
        if length > length_limit:
            break
        names.insert(0, group.label)
    return ": ".join(names)


# Headers and captions

ROW_GAP = 3.2
"""Maximum distance between rows, including header rows, in font heights."""
_CAPTION_LINES = 6
"""Maximum number of lines of a caption."""
_SAME_PARAGRAPH = 0.4
"""Maximum distance between lines of a caption, in font heights."""
_LONGEST_CAPTION = 120
_SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
_CUT_CAPTION = 100
"""Length of a caption whose end, with the unit, may be cut off."""


def stacked(headers: Sequence[Sequence[str]]) -> list[str]:
    """The name of each column by the texts of all header rows over it, from the top."""
    names: list[str] = []
    for texts in zip(*headers, strict=True):
        different_texts = dict.fromkeys(texts)
        names.append(" ".join(filter(None, different_texts)))
    return names


def caption(rows: Rows, top: int, first_row: int) -> tuple[str, ...]:
    """The short lines directly above the headers in rows `[top, first_row)`, or the sentence that
    ends there with a colon; and the unit.
    """
    lines: list[str] = []
    for number in range(top - 1, max(-1, top - 4), -1):
        row = rows[number]
        row_below = rows[number + 1]
        is_far = row_below.top - row.bottom > ROW_GAP * row.size
        if is_far or is_body(row):
            break
        if row.text.endswith(":"):
            sentence = _sentence(rows, number)
            unit = _unit(sentence) if len(sentence) > _CUT_CAPTION else []
            lines = [sentence, *unit, *lines]
            break
        if len(row.text) > _LONGEST_CAPTION or row.text.endswith((".", ";", ",")):
            break
        lines.insert(0, row.text)

    if not any(map(UNIT.search, lines)):
        headers = " ".join(row.text for row in rows[top:first_row])
        lines += _unit(headers)
    return tuple(lines)


def _unit(text: str) -> list[str]:
    """The unit that a text states, in a list; [] without one."""
    unit = UNIT.search(text)
    if unit is None:
        return []
    return [unit.group().strip(" (")]


def _sentence(rows: Rows, last_row: int) -> str:
    """The sentence that ends in the row, from the lines of its paragraph."""
    lines = [rows[last_row]]
    for row in reversed(rows[max(0, last_row - _CAPTION_LINES) : last_row]):
        if lines[0].top - row.bottom >= _SAME_PARAGRAPH * lines[0].size:
            break
        lines.insert(0, row)
    paragraph = " ".join(row.text for row in lines)
    *_, sentence = _SENTENCE_END.split(paragraph)
    return sentence
