"""Exported tables, with a row for each thing, day or year, and the rows that a question names."""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from rag.answering.table_lines import title_stems
from rag.facts import number_of, without_notes, without_periods
from rag.meaning.dates import days_as_written, named_days, share_day
from rag.meaning.stems import stem_words
from rag.meaning.words import STOP_WORDS, WEEKDAYS, WORD, word_set
from rag.structure import heading_path, rows_of
from rag.types import Block, BlockCell, Document

_MOST_ROWS = 5000
"""Rows of a table that are searched."""
_FEWEST_ROWS, _FEWEST_COLUMNS = 2, 2
_MOST_NAMED = 3
"""Rows of a table that a question may name."""
_LEAST_NAMED = 0.5
"""Share of a row's name that a question has at least."""
_LONGEST_NAME = 80
"""Characters of a name of a row, on average."""
_DISTINCT = 0.6
"""Share of different names in a column that names its rows."""
_MOSTLY = 0.9
_SHORTEST_JOINED = 5
"""Letters of a name that is found in a question without its spaces: "kitkat"."""
YES = frozenset(("1", "true", "yes", "y"))
_NO = frozenset(("0", "false", "no", "n"))
YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_SHORT_DAY = re.compile(r"\b((?:1\d|20)\d\d)([-/.])(\d{1,2})\2(\d{1,2})\b")
"""A day as programs write it, perhaps without zeros: "2014-7-1"."""


# Tables of records


@dataclass(frozen=True)
class Records:
    """A table with a row for each thing. `names` are the indexes of the columns that name its rows,
    `flags` of those that say only yes or no, `counts` of those of numbers from 0.
    """

    document: Document
    index: int
    rows: tuple[Block, ...]
    names: tuple[int, ...]
    flags: frozenset[int]
    counts: frozenset[int]
    rarity: Mapping[str, float]
    """how rare the stems of the rows' names are"""

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.document.blocks[self.index].columns]

    def text(self, cell: BlockCell) -> str:
        return self.document.text[cell.start : cell.end]

    @property
    def title_stems(self) -> frozenset[str]:
        return title_stems(self.document.id, self.document.title)

    @functools.cached_property
    def headings(self) -> frozenset[str]:
        """Stems of the headings above the table."""
        start = self.document.blocks[self.index].start
        return frozenset(stem_words(" ".join(heading_path(self.document.blocks, start))))


def records_of(document: Document) -> Iterator[Records]:
    """The tables of a document whose rows have names."""
    for index, block in enumerate(document.blocks):
        has_names = sum(bool(column.name) for column in block.columns) >= _FEWEST_COLUMNS
        if block.kind != "table" or not has_names:
            continue
        rows = tuple(rows_of(document.blocks, index, _MOST_ROWS))
        table = _table(document, index, rows)
        if table:
            yield table


def _table(document: Document, index: int, rows: tuple[Block, ...]) -> Records | None:
    """None for a table of too few rows, or without names of its rows."""
    if len(rows) < _FEWEST_ROWS:
        return None
    values: dict[int, list[str]] = {}
    for row in rows:
        for cell in row.cells:
            values.setdefault(cell.column, []).append(document.text[cell.start : cell.end])

    names = [column for column in sorted(values) if _are_names(values[column], len(rows))]
    years = [column for column in sorted(values) if _are_years(values[column], len(rows))]
    names += years[:1]
    if not names:
        return None
    flags = {column for column, cells in values.items() if _are_flags(cells)}
    counts = {column for column, cells in values.items() if _are_counts(cells)} - flags
    labels = [stem_words(value) for column in names for value in values[column]]
    frequencies = Counter(stem for label in labels for stem in set(label))
    rarity = {stem: math.log(1 + len(rows) / count) for stem, count in frequencies.items()}
    return Records(
        document=document,
        index=index,
        rows=rows,
        names=tuple(names),
        flags=frozenset(flags),
        counts=frozenset(counts),
        rarity=rarity,
    )


def _are_names(values: Sequence[str], count: int) -> bool:
    """Whether the cells of a column name the rows: they are short texts or days, most of them
    different.
    """
    if len(set(values)) < _DISTINCT * count:
        return False
    if sum(map(len, values)) > _LONGEST_NAME * len(values):
        return False
    numbers = sum(number_of(value) is not None and not _days(value) for value in values)
    return numbers < (1 - _MOSTLY) * len(values)


@functools.lru_cache(20_000)
def _days(value: str) -> frozenset[str]:
    """The day that is all that a cell states; none for other cells."""
    day = _SHORT_DAY.fullmatch(value)
    if day:
        return frozenset({f"{day[1]}-{int(day[3]):02}-{int(day[4]):02}"})
    others = word_set(without_periods(value)).difference(WEEKDAYS)
    return frozenset() if others else named_days(value)


def _are_years(values: Sequence[str], count: int) -> bool:
    years = sum(YEAR.fullmatch(value) is not None for value in values)
    return years == len(values) and len(set(values)) >= _DISTINCT * count


def _are_flags(values: Sequence[str]) -> bool:
    """Whether the cells say only yes and no, or 1 and 0."""
    distinct = {value.lower() for value in values}
    return distinct <= YES | _NO and bool(distinct & YES or distinct & {"false", "no"})


def _are_counts(values: Sequence[str]) -> bool:
    numbers = [number_of(value) for value in values]
    return all(number is not None and number >= 0 for number in numbers)


# Rows that a question names


@dataclass(frozen=True)
class NamedRow:
    """A row that a question names, how much of its name the question has, in [0, 1], the rarity of
    that part, and the question's `words` without it.
    """

    table: Records
    row: Block
    name: frozenset[str]
    share: float
    mass: float
    words: tuple[str, ...]

    @property
    def label(self) -> str:
        """The first of its names."""
        names = [cell for cell in self.row.cells if cell.column in self.table.names]
        return self.table.text(names[0]) if names else ""


def named_rows(question: str, tables: Sequence[Records]) -> list[NamedRow]:
    """The rows of the tables that a question names."""
    asked = _Asked.of(question)
    found: list[NamedRow] = []
    for table in tables:
        found += _named_in(asked, table)
    return found


@dataclass(frozen=True)
class _Asked:
    """A question's stems, its letters without spaces, and its days with their words."""

    text: str
    stems: frozenset[str]
    joined: str
    days: Mapping[str, str]

    @classmethod
    def of(cls, question: str) -> _Asked:
        joined = "".join(WORD.findall(question.lower()))
        return cls(question, frozenset(stem_words(question)), joined, days_as_written(question))


def _named_in(asked: _Asked, table: Records) -> list[NamedRow]:
    """The rows of a table of which the question has the most of the name."""
    found: list[NamedRow] = []
    for row in table.rows:
        named = [
            _named(asked, table, row, cell) for cell in row.cells if cell.column in table.names
        ]
        best = max((one for one in named if one), key=lambda one: one.mass, default=None)
        if best and best.share >= _LEAST_NAMED:
            found.append(best)
    whole_names = {one.name for one in found if one.share == 1.0}
    if not found or _are_several(whole_names):
        return []
    highest = max((one.share, one.mass) for one in found)
    best_rows = [one for one in found if (one.share, one.mass) == highest]
    return best_rows if len(best_rows) <= _MOST_NAMED else []


def _are_several(names: Set[frozenset[str]]) -> bool:
    """Whether these are names of several things, none a part of another: they are compared."""
    return any(not (one <= other or other <= one) for one in names for other in names)


@functools.lru_cache(20_000)
def _name(value: str) -> tuple[tuple[str, ...], frozenset[str], str]:
    """The stems of a row's name, its days, and its letters without spaces."""
    name = without_notes(value)
    joined = "".join(WORD.findall(name.lower()))
    return tuple(dict.fromkeys(stem_words(name))), _days(value), joined


def _named(asked: _Asked, table: Records, row: Block, cell: BlockCell) -> NamedRow | None:
    """The row, if the question has something of the name in a cell."""
    stems, days, joined = _name(table.text(cell))
    if days:
        words = [asked.days[day] for day in asked.days if share_day([day], days)]
        if not words:
            return None
        rest = asked.text
        for word in words:
            rest = rest.replace(word, " ")
        return NamedRow(
            table=table, row=row, name=days, share=1.0, mass=1.0, words=tuple(WORD.findall(rest))
        )

    total = sum(table.rarity.get(stem, 0.0) for stem in stems)
    if not total:
        return None
    has_all = len(joined) >= _SHORTEST_JOINED and joined in asked.joined
    said = frozenset(stems) if has_all else asked.stems.intersection(stems)
    mass = sum(table.rarity.get(stem, 0.0) for stem in said)
    is_name_of_document = said <= table.title_stems
    if not mass or is_name_of_document:
        return None
    words = [
        word
        for word in WORD.findall(asked.text)
        if not set(stem_words(word)) <= said or word.lower() in STOP_WORDS
    ]
    if has_all:
        words = [word for word in words if word.lower() not in joined]
    return NamedRow(
        table=table, row=row, name=said, share=mass / total, mass=mass, words=tuple(words)
    )
