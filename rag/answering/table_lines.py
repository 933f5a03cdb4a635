"""The lines of tables, their figures of a period, and the groups of which one is the largest.

A line has a figure for a question only if it is of exactly the asked period.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rag.answering.table_questions import Asked
from rag.facts import Fact, FactRow, FactTable, mismatch, tables
from rag.meaning.identifiers import file_name
from rag.meaning.periods import Periods, of_column, periods, quarters_of_years, same_season
from rag.meaning.stems import stem_words
from rag.types import Document

_MOST_LINES = 2000
"""Lines of a document's tables that are read."""
_MONTH = len("2025-08")
TOTAL_STEM = "total"
_SECOND_HALF = re.compile(r"(?i)\b(?:second half|H2)\b")


def _is_on(wanted: str, day: str) -> bool:
    """Whether a day is the wanted one, or in the wanted month."""
    return day.startswith(wanted)


def _is_season(wanted: str, day: str) -> bool:
    """Whether a day is at most 20 days from the wanted one in any year, or in the wanted month."""
    return day[5:7] == wanted[5:] if len(wanted) == _MONTH else same_season(wanted, day)


@dataclass(frozen=True)
class Line:
    """The figures of a row that say the same thing for several periods: those of one series."""

    table: FactTable
    row: FactRow
    series: str
    facts: tuple[Fact, ...]
    document_days: frozenset[str]
    """the days in the names of all columns of the document"""

    @property
    def document(self) -> Document:
        return self.table.document

    @property
    def label(self) -> str:
        return self.row.labels[-1] if self.row.labels else ""

    @functools.cached_property
    def context(self) -> str:
        """What else names the figures: labels above, the series, the table's heading."""
        above = " ".join(self.row.labels[:-1])
        return f"{above} {self.series} {self.table.name} {self.table.block.columns[0].name}"

    @functools.cached_property
    def path(self) -> str:
        """The table, the labels above, the label and the series, in one line."""
        parts = (self.table.name, *self.row.labels, self.series)
        return ": ".join(part for part in parts if part)

    @functools.cached_property
    def label_stems(self) -> frozenset[str]:
        return frozenset(stem_words(self.label))

    @functools.cached_property
    def context_stems(self) -> frozenset[str]:
        return frozenset(stem_words(self.context))

    @functools.cached_property
    def series_stems(self) -> frozenset[str]:
        return frozenset(stem_words(self.series)) - {TOTAL_STEM}

    @functools.cached_property
    def other_series_stems(self) -> frozenset[str]:
        """Stems of the series of the row's other figures."""
        others = frozenset(stem_words(" ".join(fact.series for fact in self.row.facts)))
        return others - frozenset(stem_words(self.series))

    @functools.cached_property
    def statement_stems(self) -> frozenset[str]:
        return frozenset(stem_words(self.table.statement))

    @functools.cached_property
    def title_stems(self) -> frozenset[str]:
        return title_stems(self.document.id, self.document.title)


@functools.lru_cache(1024)
def title_stems(document_id: str, title: str) -> frozenset[str]:
    """Stems of a document's title and file name."""
    return frozenset(stem_words(f"{title} {file_name(document_id)}"))


def lines_of(document: Document) -> list[Line]:
    """The lines of a document's tables."""
    lines: list[Line] = []
    columns = (column.name for block in document.blocks for column in block.columns)
    days = frozenset(day for name in columns for day in of_column(name).days)
    for table in tables(document):
        for row in table.rows:
            by_series: dict[str, list[Fact]] = {}
            for fact in row.facts:
                by_series.setdefault(fact.series, []).append(fact)
            for series, facts in by_series.items():
                lines.append(Line(table, row, series, tuple(facts), days))
    return lines[:_MOST_LINES]


def figure_of(line: Line, target: Periods) -> Fact | None:
    """The figure of exactly this period; None if there is none, or more than one fits."""
    fitting = [fact for fact in line.facts if _fits(line, fact, target)]
    if len(fitting) > 1 and not (target.months or target.quarters):
        exact = [
            fact for fact in fitting if not fact.periods.months or fact.periods.months == {"12"}
        ]
        fitting = exact or fitting
    return fitting[0] if len(fitting) == 1 and fitting[0].number is not None else None


def _fits(line: Line, fact: Fact, target: Periods) -> bool:
    stated = fact.periods
    if not stated.months:
        stated = stated._replace(months=of_column(line.table.statement).months)
    if target.days and stated.days:
        is_day = any(_is_on(wanted, day) for wanted in target.days for day in stated.days)
        return is_day and not _SECOND_HALF.search(fact.column) and _same_length(target, stated)
    if not any(stated[:3]) or target.differ(stated) or _SECOND_HALF.search(fact.column):
        return False
    if target.days and not stated.days and not _is_end(line, target):
        return False
    if not target.years & stated.years:
        return False
    if target.quarters and not stated.quarters:
        return stated.months <= {"3"} and _is_of_quarter(line, fact, target)
    if stated.quarters and not target.quarters:
        return False
    return _same_length(target, stated)


def _is_end(line: Line, target: Periods) -> bool:
    """Whether a column that names only a year may be of the day: the year that its document is
    about ends on such a day.
    """
    document = line.table.document
    ends = periods(f"{document.title} {line.table.headings}").days
    if any(_is_season(day, end) for day in target.days for end in ends):
        return True
    return any(_is_on(wanted, day) for wanted in target.days for day in line.document_days)


def _same_length(target: Periods, stated: Periods) -> bool:
    """Whether both are as long, as far as they say so. A year alone is twelve months."""
    if target.months and stated.months:
        return bool(target.months & stated.months)
    if not target.months and any(len(day) == _MONTH for day in target.days):
        return not stated.months
    is_year = not target.months and not target.days and not target.quarters
    return not (is_year and stated.months and "12" not in stated.months)


def _is_of_quarter(line: Line, fact: Fact, target: Periods) -> bool:
    """Whether a column that names no quarter is of the one that its document is about."""
    document = line.table.document
    text = f"{file_name(document.id)} {document.title} {line.table.headings}"
    stated = periods(text).quarters or frozenset(name[-1] for name in quarters_of_years(text))
    latest_day = max((day for one in line.facts for day in one.stated.days), default="")
    is_season = (
        all(same_season(day, latest_day) for day in fact.stated.days) if latest_day else True
    )
    return stated == target.quarters and is_season


def figure_pair(line: Line, asked: Asked) -> tuple[Fact, Fact] | None:
    """The figures of both periods, the later first; with one period that of the year before."""
    later = figure_of(line, asked.targets[0])
    if later is None:
        return None
    if len(asked.targets) == 2:
        earlier = figure_of(line, asked.targets[1])
    else:
        before = [
            fact
            for fact in line.facts
            if fact is not later
            and fact.number is not None
            and fact.periods.months == later.periods.months
            and fact.periods.quarters == later.periods.quarters
            and _is_year_before(fact.periods, later.periods)
        ]
        earlier = before[0] if len(before) == 1 else None
    return (later, earlier) if earlier is not None and not mismatch([later, earlier]) else None


def _is_year_before(earlier: Periods, later: Periods) -> bool:
    if earlier.days and later.days:
        earlier_day, later_day = max(earlier.days), max(later.days)
        return int(earlier_day[:4]) == int(later_day[:4]) - 1 and same_season(
            earlier_day, later_day
        )
    return {str(int(year) - 1) for year in later.years} == earlier.years


def is_foreign(asked: Asked, line: Line) -> bool:
    """Whether the question has a name that neither the row nor its table nor the document has: of
    another company, or of a part of the figure.
    """
    names = line.label_stems | line.context_stems | line.statement_stems
    return bool(asked.names - line.title_stems - names)


@dataclass(frozen=True)
class Item:
    """A row or a column that is compared, its label's place, and its figure."""

    label: str
    start: int
    end: int
    fact: Fact


@dataclass(frozen=True)
class Group:
    """Rows under one label, or the columns of one row, of one table: what "which" chooses from."""

    line: Line
    items: tuple[Item, ...]
    text: str
    """all that names it"""
    is_whole: bool
    """whether each row or column has a figure"""


def groups_of(lines: Sequence[Line], target: Periods) -> list[Group]:
    """The groups of at least two items with a figure of the period, totals left out."""
    by_place: dict[tuple[object, ...], list[tuple[Line, Item | None]]] = {}
    for line in lines:
        fact, row = figure_of(line, target), line.row
        if row.label is None:
            continue
        table = line.document.id, line.table.index
        rows = (*table, "rows", row.labels[:-1], line.series)
        item = Item(line.label, row.label.start, row.label.end, fact) if fact else None
        by_place.setdefault(rows, []).append((line, item))
        if line.series and (place := _header(line, fact)):
            item = Item(line.series, *place, fact) if fact else None
            by_place.setdefault((*table, "columns", row.block.start), []).append((line, item))
    groups: list[Group] = []
    for key, members in by_place.items():
        is_rows = key[2] == "rows"
        items = _without_totals([item for _, item in members if item], is_rows)
        if len(items) < 2 or mismatch([item.fact for item in items]):
            continue
        line = members[0][0]
        stub = line.table.block.columns[0].name
        names = (*line.row.labels[:-1], line.series) if is_rows else line.row.labels
        text = " ".join(filter(None, (*names, line.table.name, line.table.statement, stub)))
        groups.append(Group(line, tuple(items), text, all(item for _, item in members)))
    return groups


def _header(line: Line, fact: Fact | None) -> tuple[int, int] | None:
    """The place of the lowest header cell of a figure's column, if it says the series."""
    if fact is None:
        return None
    document = line.table.document
    for column in line.table.block.columns:
        if column.name == fact.column and column.start >= 0:
            text = document.text[column.start : column.end]
            return (column.start, column.end) if text == line.series else None
    return None


_NO_PART = re.compile(
    r"(?i)\beliminations?\b|\bunallocated\b|\bcentral costs\b|\breconcil|^corporate\b|^group\b"
)


def _without_totals(items: Sequence[Item], are_rows: bool) -> list[Item]:
    """The items without totals (those with such a label, and sums of the items before), and without
    what is not a part of a company, such as eliminations.
    """
    kept: list[Item] = []
    for item in items:
        if _NO_PART.search(item.label):
            continue
        number = item.fact.number or 0.0
        before = sum(one.fact.number or 0.0 for one in kept)
        is_sum = len(kept) > 1 and abs(before - number) <= 0.0005 * abs(number)
        is_total = is_sum or "total" in item.label.lower()
        if not is_total:
            kept.append(item)
        elif are_rows and is_sum:
            break
    return kept


def is_foreign_group(asked: Asked, group: Group) -> bool:
    """As `is_foreign`, of a group: the question may name what its items are."""
    names = frozenset(stem_words(group.text))
    return bool(asked.names - group.line.title_stems - names)


def chosen(group: Group, operation: str) -> Item | None:
    """The largest or the smallest item; None if it is not certain: two are equal, or a row without
    a figure may be the smallest. Where all figures are negative, as costs in brackets, the largest
    is the one farthest from 0.
    """
    numbers = [item.fact.number or 0.0 for item in group.items]
    if operation == "least" and not group.is_whole:
        return None
    are_costs = max(numbers) <= 0
    sizes = [-number for number in numbers] if are_costs else numbers
    extreme = max(sizes) if operation == "most" else min(sizes)
    return group.items[sizes.index(extreme)] if sizes.count(extreme) == 1 else None


def can_answer(asked: Asked, line: Line) -> bool:
    """Whether a line has the figures that a question needs, of exactly its periods."""
    if asked.operation in ("", "share", "sum"):
        return len(asked.targets) == 1 and figure_of(line, asked.targets[0]) is not None
    return figure_pair(line, asked) is not None


def figure_key(line: Line, asked: Asked) -> tuple[object, ...]:
    """What a line says for the question's period: equal for lines that say the same."""
    fact = figure_of(line, asked.targets[0])
    return (abs(fact.number), fact.scale, fact.unit) if fact and fact.number else (line.label,)


def groups_to_choose(asked: Asked, lines: Sequence[Line]) -> list[Group]:
    """The groups whose largest or smallest item is certain."""
    groups = groups_of(lines, asked.targets[0])
    return [group for group in groups if chosen(group, asked.operation)]
