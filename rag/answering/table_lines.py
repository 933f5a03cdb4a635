"""The lines of tables, their figures of a period, and the groups of which one is the largest.

A line has a figure for a question only if it is of exactly the asked period.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rag.answering.table_questions import ROSE_MOST, TableQuestion, change_stems, measure_of
from rag.facts import Fact, FactRow, FactTable, mismatch, tables
from rag.meaning.identifiers import file_name
from rag.meaning.periods import Periods, of_column, periods, quarters_of_years, same_season
from rag.meaning.stems import stem_words
from rag.types import Document

_MOST_LINES = 2000
"""Lines of a document's tables that are read."""
_MONTH_LENGTH = len("2025-08")
TOTAL_STEM = "total"
_SECOND_HALF = re.compile(r"(?i)\b(?:second half|H2)\b")


@dataclass(frozen=True)
class TableLine:
    """The figures of a row that say the same thing for several periods: those of one series."""

    table: FactTable
    row: FactRow
    series: str
    facts: tuple[Fact, ...]
    document_days: frozenset[str]
    """the days in the names of all columns of the document"""
    document_quarters: frozenset[str]
    """the quarter that the document is about, as far as it says so"""

    @property
    def document(self) -> Document:
        return self.table.document

    @property
    def label(self) -> str:
        """The innermost label of the row, or ""."""
        return self.row.labels[-1] if self.row.labels else ""

    @functools.cached_property
    def context(self) -> str:
        """What else names the figures: labels above, the series, the table's heading."""
        labels_above = " ".join(self.row.labels[:-1])
        label_column = self.table.block.columns[0].name
        return f"{labels_above} {self.series} {self.table.name} {label_column}"

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
        """Stems of the series, without "total", which any sum may have."""
        stems = frozenset(stem_words(self.series))
        return stems - {TOTAL_STEM}

    @functools.cached_property
    def other_series_stems(self) -> frozenset[str]:
        """Stems of the series of the row's other figures."""
        row_series = " ".join(fact.series for fact in self.row.facts)
        own_stems = frozenset(stem_words(self.series))
        return frozenset(stem_words(row_series)) - own_stems

    @functools.cached_property
    def statement_stems(self) -> frozenset[str]:
        """Stems of what the table says of itself."""
        return frozenset(stem_words(self.table.statement))

    @functools.cached_property
    def title_stems(self) -> frozenset[str]:
        return names_of(self.document)


@functools.lru_cache(1024)
def title_stems(document_id: str, title: str) -> frozenset[str]:
    """Stems of a document's title and file name."""
    return frozenset(stem_words(f"{title} {file_name(document_id)}"))


_OPENING = 4000
"""Characters at the beginning of a document that name whose it is: more than a page."""
_NAME = re.compile(r"[A-Z][\w'\u2019-]*(?:(?: & | and | of | )[A-Z][\w'\u2019-]*)*")
_TICKER = re.compile(
    r"(?i:\b(?:trading symbol|ticker|NYSE|NASDAQ)s?\b)(?:[^.]|\.(?=\d)){0,150}?"
    r"(?-i:\b([A-Z]{2,5})\b)(?<!NYSE)"
)
"""The short name of a company at an exchange, after a word for it."""


def names_of(document: Document) -> frozenset[str]:
    """Stems of a document's title and file name, of the whole name at its beginning of which these
    are a part ("Hollin Springs Beverage Company"), and of a company's short name at an exchange.
    """
    title = title_stems(document.id, document.title)
    return title | _names_in(document.text[:_OPENING], title)


@functools.lru_cache(256)
def _names_in(opening: str, title: frozenset[str]) -> frozenset[str]:
    names = [match[1] for match in _TICKER.finditer(opening)]
    for match in _NAME.finditer(opening):
        if not title.isdisjoint(stem_words(match[0])):
            names.append(match[0])
            break
    return frozenset(stem_words(" ".join(names)))


def lines_of(document: Document) -> list[TableLine]:
    """The lines of a document's tables."""
    document_days = _column_days(document)
    document_quarters = _quarters_of(document)
    lines: list[TableLine] = []
    for table in tables(document):
        for row in table.rows:
            for series, facts in _by_series(row).items():
                line = TableLine(
                    table=table,
                    row=row,
                    series=series,
                    facts=tuple(facts),
                    document_days=document_days,
                    document_quarters=document_quarters,
                )
                lines.append(line)
    return lines[:_MOST_LINES]


def _column_days(document: Document) -> frozenset[str]:
    """The days in the names of all columns of a document."""
    days: set[str] = set()
    for block in document.blocks:
        for column in block.columns:
            days |= of_column(column.name).days
    return frozenset(days)


_QUARTER_BY_MONTHS = {"3": "1", "6": "2", "9": "3"}


def _quarters_of(document: Document) -> frozenset[str]:
    """The quarter that the names of a document state; else the one by its longest period: a report
    with figures of six months is of the second quarter.
    """
    names = f"{file_name(document.id)} {document.title}"
    quarters = periods(names).quarters or _quarters_of_years(names)
    if quarters:
        return quarters

    months: set[str] = set()
    for block in document.blocks:
        for column in block.columns:
            months |= of_column(column.name).months
    longest = max(filter(str.isdecimal, months), key=int, default="")
    return frozenset(filter(None, [_QUARTER_BY_MONTHS.get(longest)]))


def _quarters_of_years(text: str) -> frozenset[str]:
    """The numbers of the quarters that a text states with their years."""
    return frozenset(quarter[-1] for quarter in quarters_of_years(text))


def _by_series(row: FactRow) -> dict[str, list[Fact]]:
    """The figures of a row by their series."""
    facts_by_series: dict[str, list[Fact]] = {}
    for fact in row.facts:
        facts_by_series.setdefault(fact.series, []).append(fact)
    return facts_by_series


# Figures of a period


def figure_of(line: TableLine, target: Periods | None) -> Fact | None:
    """The figure of exactly this period, or the one of a line without periods; None if there is
    none, or more than one fits.
    """
    if target is None:
        return _undated_figure(line)

    facts = [fact for fact in line.facts if _is_of_period(line, fact, target)]
    asks_for_year = not target.months and not target.quarters
    if len(facts) > 1 and asks_for_year:
        facts = [fact for fact in facts if _is_of_year(fact)] or facts

    if len(facts) != 1:
        return None
    fact = facts[0]
    return None if fact.number is None else fact


def _undated_figure(line: TableLine) -> Fact | None:
    """The only figure of a line whose row and columns name no period."""
    is_dated = any(line.row.stated) or any(any(fact.stated) for fact in line.row.facts)
    if is_dated or any(any(of_column(label)) for label in line.row.labels):
        return None
    fact = line.facts[0] if len(line.facts) == 1 else None
    return None if fact is None or fact.number is None else fact


def _is_of_year(fact: Fact) -> bool:
    """Whether a figure is of twelve months, or does not say how many."""
    months = fact.periods.months
    return not months or months == {"12"}


def _is_of_period(line: TableLine, fact: Fact, target: Periods) -> bool:
    """Whether a figure is of exactly the period, as far as its column and its table say so."""
    if _SECOND_HALF.search(fact.column):
        return False

    stated = fact.periods
    if not stated.months:
        stated = stated._replace(months=of_column(line.table.statement).months)

    if target.days and stated.days:
        return _share_a_day(stated.days, target.days) and _is_same_length(target, stated)

    says_when = stated.days or stated.years or stated.quarters
    if not says_when or target.differ(stated):
        return False
    if target.days and not target.quarters and not _ends_on(line, target):
        return False
    if target.years.isdisjoint(stated.years):
        return False

    if target.quarters and not stated.quarters:
        is_three_months = stated.months <= {"3"}
        return is_three_months and _is_of_quarter(line, fact, target)
    if stated.quarters and not target.quarters:
        return False
    return _is_same_length(target, stated)


def _ends_on(line: TableLine, target: Periods) -> bool:
    """Whether a column that names only a year may be of the day: the year that its document is
    about ends on such a day.
    """
    ends = periods(f"{line.document.title} {line.table.headings}").days
    for wanted in target.days:
        if any(_is_season(end, wanted) for end in ends):
            return True
    return _share_a_day(line.document_days, target.days)


def _share_a_day(days: Collection[str], wanted_days: Collection[str]) -> bool:
    """Whether one of the days is a wanted one, or in a wanted month."""
    beginnings = tuple(wanted_days)
    return any(day.startswith(beginnings) for day in days)


def _is_season(day: str, wanted: str) -> bool:
    """Whether a day is at most 20 days from the wanted one in any year, or in the wanted month."""
    if len(wanted) == _MONTH_LENGTH:
        return day[5:7] == wanted[5:]
    return same_season(wanted, day)


def _is_same_length(target: Periods, stated: Periods) -> bool:
    """Whether both are as long, as far as they say so. A year alone is twelve months."""
    if target.months and stated.months:
        return not target.months.isdisjoint(stated.months)
    if target.months or not stated.months:
        return True

    is_month_named = any(len(day) == _MONTH_LENGTH for day in target.days)
    if is_month_named:
        return False
    is_year = not target.days and not target.quarters
    return not is_year or "12" in stated.months


def _is_of_quarter(line: TableLine, fact: Fact, target: Periods) -> bool:
    """Whether a column that names no quarter is of the one that its document is about."""
    if _quarters_of_document(line) != target.quarters:
        return False

    days: set[str] = set()
    for other_fact in line.facts:
        days |= other_fact.stated.days
    if not days:
        return True
    last_day = max(days)
    return all(same_season(day, last_day) for day in fact.stated.days)


def _quarters_of_document(line: TableLine) -> frozenset[str]:
    """The quarters that the headings over a line's table state, or else its document."""
    headings = line.table.headings
    quarters = periods(headings).quarters or _quarters_of_years(headings)
    return quarters or line.document_quarters


def figure_pair(line: TableLine, question: TableQuestion) -> tuple[Fact, Fact] | None:
    """The figures of both periods, the later first; with one period that of the year before."""
    later = figure_of(line, question.target)
    if later is None:
        return None

    if len(question.targets) == 2:
        earlier = figure_of(line, question.targets[1])
    else:
        earlier = _figure_of_year_before(line, later)

    if earlier is None or mismatch([later, earlier]):
        return None
    return later, earlier


def _figure_of_year_before(line: TableLine, later: Fact) -> Fact | None:
    """The only figure of a period as long, one year before."""
    facts = []
    for fact in line.facts:
        if fact is later or fact.number is None:
            continue
        is_as_long = (
            fact.periods.months == later.periods.months
            and fact.periods.quarters == later.periods.quarters
        )
        if is_as_long and _is_year_before(fact.periods, later.periods):
            facts.append(fact)
    return facts[0] if len(facts) == 1 else None


def _is_year_before(earlier: Periods, later: Periods) -> bool:
    """Whether a period ends a year before another."""
    if earlier.days and later.days:
        earlier_day = max(earlier.days)
        later_day = max(later.days)
        years_between = int(later_day[:4]) - int(earlier_day[:4])
        return years_between == 1 and same_season(earlier_day, later_day)

    years_before = {str(int(year) - 1) for year in later.years}
    return years_before == earlier.years


def can_answer(question: TableQuestion, line: TableLine) -> bool:
    """Whether a line has the figures that a question needs, of exactly its periods."""
    if not may_have_unit(question, line):
        return False
    is_of_change = question.operation not in ("", "share", "sum") and len(question.measures) == 1
    if is_of_change:
        return figure_pair(line, question) is not None
    if len(question.targets) > 1:
        return False
    return figure_of(line, question.target) is not None


def may_have_unit(question: TableQuestion, line: TableLine) -> bool:
    """Whether the figures of a line are percentages if the question asks for one."""
    return not question.is_percentage or line.facts[0].unit == "percent"


def of_named_rows(
    question: TableQuestion, phrase: str, lines: Sequence[TableLine]
) -> list[TableLine]:
    """The lines that can answer, of rows with figures of several columns, whose whole label is in a
    phrase of the question.
    """
    stems = frozenset(stem_words(phrase))
    named_lines = []
    for line in lines:
        has_columns = len({fact.series for fact in line.row.facts}) > 1
        is_named = bool(line.label_stems) and line.label_stems <= stems
        if has_columns and is_named and can_answer(question, line):
            named_lines.append(line)
    return named_lines


def figure_key(line: TableLine, question: TableQuestion) -> tuple[object, ...]:
    """What a line says for the question's period: equal for lines that say the same."""
    fact = figure_of(line, question.target)
    if fact and fact.number:
        return (abs(fact.number), fact.scale, fact.unit)
    return (line.label,)


def is_foreign(question: TableQuestion, line: TableLine) -> bool:
    """Whether the question has a name that neither the row nor its table nor the document has: of
    another company, or of a part of the figure.
    """
    line_names = line.label_stems | line.context_stems | line.statement_stems
    return bool(question.names - line.title_stems - line_names)


# Groups to choose from


@dataclass(frozen=True)
class ComparedItem:
    """A row or a column that is compared, its label's place, its figure, and for changes that of
    the period before.
    """

    label: str
    start: int
    end: int
    fact: Fact
    earlier: Fact | None = None

    @property
    def facts(self) -> tuple[Fact, ...]:
        """Its figures, the later one first."""
        return (self.fact, self.earlier) if self.earlier else (self.fact,)


@dataclass(frozen=True)
class ComparedGroup:
    """Rows under one label, or the columns of one row, of one table: what "which" chooses from."""

    line: TableLine
    """the line of its first member"""
    items: tuple[ComparedItem, ...]
    text: str
    """all that names it"""
    is_whole: bool
    """whether each row or column has a figure"""
    is_clear: bool = True
    """whether it is certain which rows are compared"""

    @property
    def has_both_signs(self) -> bool:
        """Whether some figures are above 0 and some below."""
        return min(self.numbers) < 0 < max(self.numbers)

    @property
    def numbers(self) -> list[float]:
        """Those of all its figures."""
        return [fact.number or 0.0 for fact in self.facts]

    @property
    def facts(self) -> list[Fact]:
        return [fact for item in self.items for fact in item.facts]


Members = list[tuple[TableLine, ComparedItem | None]]
"""The lines of a group, each with its item if it has a figure of the period."""


def groups_to_choose(question: TableQuestion, lines: Sequence[TableLine]) -> list[ComparedGroup]:
    """The groups whose largest or smallest item is certain. Income and costs in brackets, or
    profits and losses, are only compared if the group is named after what the question measures.
    """
    groups = groups_of(lines, question)
    if not question.targets:
        asked_groups = [group for group in groups if _is_asked(group, question)]
        groups = [group for group in asked_groups if _is_nearest(group, asked_groups, question)]
    return [
        group
        for group in groups
        if extreme_item(group, question)
        and (not group.has_both_signs or _is_named(group, question))
    ]


_NAMING_WORDS = 2


def _is_named(group: ComparedGroup, question: TableQuestion) -> bool:
    """Whether the group's labels and its table's name share words with the measure: what is
    counted, and of what ("profit", "region").
    """
    measured = frozenset(stem_words(question.measures[0]))
    return len(measured & frozenset(stem_words(group.text))) >= _NAMING_WORDS


def _is_asked(group: ComparedGroup, question: TableQuestion) -> bool:
    """Whether the question has a word of the group's column, and another one of what the rows are:
    of the column of labels, the table or the document. What it measures has no other word, such as
    "for pensioners".
    """
    asked = frozenset(stem_words(question.text))
    measured = frozenset(stem_words(measure_of(question.measures[0])))
    column = frozenset(stem_words(group.line.series))
    rows = group.line.title_stems | frozenset(stem_words(group.text))
    is_known = measured <= column | rows
    return is_known and bool(asked & column) and bool(asked & (rows - column))


def _is_nearest(
    group: ComparedGroup, groups: Sequence[ComparedGroup], question: TableQuestion
) -> bool:
    """Whether no other column of the table that has another answer is as near to the question."""
    item = extreme_item(group, question)
    for other in groups:
        is_rival = other is not group and other.line.table.index == group.line.table.index
        if not is_rival or other.line.document != group.line.document:
            continue
        other_item = extreme_item(other, question)
        has_other_answer = not item or not other_item or item.label != other_item.label
        if has_other_answer and _nearness(other, question) >= _nearness(group, question):
            return False
    return True


def _nearness(group: ComparedGroup, question: TableQuestion) -> tuple[int, float]:
    """How many words of the column the question has, and which share of them."""
    column = frozenset(stem_words(group.line.series))
    asked = column & frozenset(stem_words(question.text))
    return len(asked), len(asked) / max(1, len(column))


def groups_of(lines: Sequence[TableLine], question: TableQuestion) -> list[ComparedGroup]:
    """The groups of at least two items with a figure of the period, or of both for a change, totals
    left out.
    """
    members_by_key: dict[tuple[object, ...], Members] = {}
    for line in lines:
        label = line.row.label
        if label is None:
            continue

        table_key = (line.document.id, line.table.index)
        rows_key = (*table_key, "rows", line.row.labels[:-1], line.series)
        row_item = _item(line, question, line.label, label.start, label.end)
        members_by_key.setdefault(rows_key, []).append((line, row_item))

        has_columns = row_item is not None and line.series and question.targets
        header = _header(line, row_item.fact) if row_item and has_columns else None
        if header:
            column_item = _item(line, question, line.series, *header)
            columns_key = (*table_key, "columns", line.row.block.start)
            members_by_key.setdefault(columns_key, []).append((line, column_item))

    groups = []
    for key, members in members_by_key.items():
        are_rows = key[2] == "rows"
        group = _group(members, are_rows)
        if group and are_rows:
            group = replace(group, is_clear=_is_clear(members, question))
        if group:
            groups.append(group)
    return groups


def _is_clear(members: Members, question: TableQuestion) -> bool:
    """Whether it is certain which rows are compared."""
    if question.is_of_change:
        return not _goes_on_after_sum(members)
    if question.targets:
        return True
    return not _may_have_sum(members) and not _lacks_rows(members)


def _item(
    line: TableLine, question: TableQuestion, label: str, start: int, end: int
) -> ComparedItem | None:
    """The item of this label with the figures of a line; None without those of the periods."""
    if question.is_of_change:
        pair = figure_pair(line, question)
        return ComparedItem(label, start, end, *pair) if pair else None

    fact = figure_of(line, question.target)
    return ComparedItem(label, start, end, fact) if fact else None


def _group(members: Members, are_rows: bool) -> ComparedGroup | None:
    """None if fewer than two items are left, or if their figures are not of one unit and length."""
    items = _without_totals([item for _, item in members if item], are_rows)
    if len(items) < 2 or mismatch([fact for item in items for fact in item.facts]):
        return None

    line, _ = members[0]
    labels = line.row.labels
    if are_rows:
        labels = (*labels[:-1], line.series)
    label_column = line.table.block.columns[0].name
    names = (*labels, line.table.name, line.table.statement, label_column)
    return ComparedGroup(
        line=line,
        items=tuple(items),
        text=" ".join(filter(None, names)),
        is_whole=all(item for _, item in members),
    )


def _goes_on_after_sum(members: Members) -> bool:
    """Whether rows that are no sums follow a sum of rows."""
    items = [item for _, item in members if item]
    parts = _without_totals(items, are_rows=True)
    return len(parts) < len(_without_totals(items, are_rows=False))


def _may_have_sum(members: Members) -> bool:
    """Whether a row without the word "total" may be a sum, or no part: in a table without periods
    it may as well be a row like the others.
    """
    items = [item for _, item in members if item and TOTAL_STEM not in item.label.lower()]
    return len(_without_totals(items, are_rows=False)) < len(items)


def _lacks_rows(members: Members) -> bool:
    """Whether a row of the table, or of its part under one label, has no figure in the column, such
    as "free", or was not read.
    """
    line, _ = members[0]
    labels_above = line.row.labels[:-1]
    rows = [row for row in line.table.rows if row.labels[:-1] == labels_above]
    with_cells = [row for row in rows if row.label and (row.facts or len(row.texts) > 1)]
    return len(with_cells) > sum(item is not None for _, item in members)


def _header(line: TableLine, fact: Fact) -> tuple[int, int] | None:
    """The place of the lowest header cell of a figure's column, if it says the series."""
    for column in line.table.block.columns:
        if column.name != fact.column or column.start < 0:
            continue
        text = line.document.text[column.start : column.end]
        return (column.start, column.end) if text == line.series else None
    return None


_NO_PART = re.compile(
    r"(?i)\beliminations?\b|\bunallocated\b|\bcentral costs\b|\breconcil|^corporate\b|^group\b"
)
_ROUNDING = 0.0005
"""The share of a total by which it may differ from the sum of its parts."""


def _without_totals(items: Sequence[ComparedItem], are_rows: bool) -> list[ComparedItem]:
    """The items without totals (those with such a label, and sums of the items before), and without
    what is not a part of a company, such as eliminations.
    """
    parts: list[ComparedItem] = []
    sum_before = 0.0
    for item in items:
        if _NO_PART.search(item.label):
            continue

        number = item.fact.number or 0.0
        difference = abs(sum_before - number)
        is_sum = len(parts) > 1 and difference <= _ROUNDING * abs(number)
        if is_sum and are_rows:
            break

        is_total = TOTAL_STEM in item.label.lower()
        if not is_sum and not is_total:
            parts.append(item)
            sum_before += number
    return parts


def is_foreign_group(question: TableQuestion, group: ComparedGroup) -> bool:
    """As `is_foreign`, of a group: the question may name what its items are."""
    names = frozenset(stem_words(group.text))
    return bool(question.names - group.line.title_stems - names)


def extreme_item(group: ComparedGroup, question: TableQuestion) -> ComparedItem | None:
    """The item with the largest or the smallest figure, or with the largest change; None if it is
    not certain: two are equal, or a row without a figure may be the one. Where all figures are
    negative, as costs in brackets, the largest is the one farthest from 0.
    """
    is_whole = group.is_whole or question.operation == "most"
    if not is_whole or not group.is_clear:
        return None

    sizes = _changes(group, question) if question.is_of_change else _sizes(group)
    if not sizes:
        return None
    extreme = min(sizes) if question.operation == "least" else max(sizes)
    if sizes.count(extreme) > 1 or (question.is_of_change and extreme <= 0):
        return None
    return group.items[sizes.index(extreme)]


def _sizes(group: ComparedGroup) -> list[float]:
    """The figure of each item, without the sign of costs."""
    sign = _sign(group)
    return [sign * (item.fact.number or 0.0) for item in group.items]


def _sign(group: ComparedGroup) -> int:
    """-1 for costs: where all figures are negative."""
    return -1 if max(group.numbers) <= 0 else 1


_CHANGE_DECIMALS = 6
"""To which differences of figures are rounded, so that equal ones are equal."""


def _changes(group: ComparedGroup, question: TableQuestion) -> list[float]:
    """How much each item rose, or fell, or by what share; () if that cannot be compared: they are
    changes themselves, count different things, or are shares of nothing.
    """
    are_changes = not change_stems().isdisjoint(stem_words(group.text))
    counted = {fact.counted for fact in group.facts}
    has_no_share = question.is_in_percent and group.has_both_signs
    if are_changes or has_no_share or len(counted) > 1:
        return []

    sign = _sign(group)
    if question.operation != ROSE_MOST:
        sign = -sign
    changes: list[float] = []
    for item in group.items:
        later, earlier = (fact.number or 0.0 for fact in item.facts)
        change = sign * (later - earlier)
        if question.is_in_percent and later * earlier <= 0:
            return []
        if question.is_in_percent:
            change /= abs(earlier)
        changes.append(round(change, _CHANGE_DECIMALS))
    return changes
