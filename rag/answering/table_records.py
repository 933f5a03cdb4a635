"""Answers from tables with one row for each thing or day: the cell that a question asks for of the
row that it names.

Such tables are exported: their columns have short names, such as "fatal_accidents_85_99", which a
data dictionary beside them may define. A fitted model chooses the row and its column, or none.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rag.answering.candidate import Candidate
from rag.answering.table_lines import title_stems
from rag.answering.table_matcher import Matcher, shares_of
from rag.facts import number_of, without_notes
from rag.meaning.dates import days_as_written, named_days, share_day
from rag.meaning.stems import stem_words
from rag.meaning.words import DENIALS, QUESTION_WORDS, STOP_WORDS, WORD, word_set
from rag.structure import heading_path, rows_of
from rag.types import Block, BlockCell, Document, Place, YesNo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rag.protocols import Store

GENERATOR = "records"
SHIPPED = Path(__file__).with_name("table_records.safetensors")
FEATURES = (
    "row_share",
    "row_lead",
    "row_words",
    "document_rank",
    "title_asked",
    "column_share",
    "asked_share",
    "letters_asked",
    "cell_said",
    "like",
    "like_lead",
    "raw_like",
    "definition_like",
    "definition_lead",
    "is_defined",
    "numbers_share",
    "numbers_unasked",
    "numbers_unsaid",
    "unknown_words",
    "is_text",
    "counts_text",
    "counts_flag",
    "is_polar_flag",
    "is_other_flag",
    "is_polar_value",
    "wants_more",
    "words",
)
LEAST_PROBABILITY = 0.2
"""Of a cell, from which on it is proposed."""
_MOST_DOCUMENTS = 4
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
_YES = frozenset(("1", "true", "yes", "y"))
_NO = frozenset(("0", "false", "no", "n"))
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_SHORT_DAY = re.compile(r"\b((?:1\d|20)\d\d)([-/.])(\d{1,2})\2(\d{1,2})\b")
"""A day as programs write it, perhaps without zeros: "2014-7-1"."""
_SHORTEST_PART = 3
"""Letters of a word that is found in the name of a column: "sugarpercent"."""
_WORD_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|\d+")
"""A part of a name such as "ShareWomen" or "P75_delay"."""
_DIGITS = re.compile(r"\d+")
_YEAR_DIGITS, _SHORT_YEAR = 4, 2
_HOW_MANY = re.compile(r"(?i)\bhow (?:many|much|often|long|big|high|far)\b")
_POLAR_WORDS = re.compile(
    r"(?i)^(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would)\b"
    r"|\b(?:any|anyone|anybody|anything|ever)\b"
)
"""Of a question that wants yes or no, if it has no question word."""
_COMPARES = re.compile(
    r"(?i)\b(?:more|less|fewer|most|least|half|majority|minority|record|usual(?:ly)?|normal(?:ly)?"
    r"|average|typical(?:ly)?|than|as \w+ as|\w+est|over|under|above|below|at least|at most)\b"
)
"""Words of a question that a cell alone does not answer with yes or no."""


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

    @functools.cached_property
    def headings(self) -> frozenset[str]:
        """Stems of the headings above the table."""
        start = self.document.blocks[self.index].start
        return frozenset(stem_words(" ".join(heading_path(self.document.blocks, start))))


@functools.lru_cache(32)
def _records(document_id: str, digest: str, document: _Same) -> tuple[Records, ...]:
    return tuple(_of_document(document.document))


@dataclass(frozen=True)
class _Same:
    """A document as an argument that does not count for a cache."""

    document: Document

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same)


def records_of(document: Document) -> tuple[Records, ...]:
    """The tables of a document whose rows have names; kept for the next question."""
    return _records(document.id, document.sha256, _Same(document))


def _of_document(document: Document) -> Iterator[Records]:
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
    return Records(document, index, rows, tuple(names), frozenset(flags), frozenset(counts), rarity)


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
    """The day that a cell states; none for other cells."""
    day = _SHORT_DAY.fullmatch(value)
    if day:
        return frozenset({f"{day[1]}-{int(day[3]):02}-{int(day[4]):02}"})
    return named_days(value)


def _are_years(values: Sequence[str], count: int) -> bool:
    years = sum(_YEAR.fullmatch(value) is not None for value in values)
    return years == len(values) and len(set(values)) >= _DISTINCT * count


def _are_flags(values: Sequence[str]) -> bool:
    """Whether the cells say only yes and no, or 1 and 0."""
    distinct = {value.lower() for value in values}
    return distinct <= _YES | _NO and bool(distinct & _YES or distinct & {"false", "no"})


def _are_counts(values: Sequence[str]) -> bool:
    return all(number >= 0 for number in map(_number, values))


def _number(text: str) -> float:
    """The number of a cell; -1 for other texts."""
    number = number_of(text)
    return -1.0 if number is None else number


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


def named_rows(question: str, documents: Sequence[Document]) -> list[NamedRow]:
    """The rows that a question names in the tables of documents."""
    asked = _Asked.of(question)
    found: list[NamedRow] = []
    for document in documents:
        for table in records_of(document):
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
        return NamedRow(table, row, days, 1.0, 1.0, tuple(WORD.findall(rest)))

    total = sum(table.rarity.get(stem, 0.0) for stem in stems)
    if not total:
        return None
    has_all = len(joined) >= _SHORTEST_JOINED and joined in asked.joined
    said = frozenset(stems) if has_all else asked.stems.intersection(stems)
    mass = sum(table.rarity.get(stem, 0.0) for stem in said)
    if not mass:
        return None
    words = [
        word
        for word in WORD.findall(asked.text)
        if not set(stem_words(word)) <= said or word.lower() in STOP_WORDS
    ]
    if has_all:
        words = [word for word in words if word.lower() not in joined]
    return NamedRow(table, row, said, mass / total, mass, tuple(words))


# Their cells


@dataclass(frozen=True)
class RecordCell:
    """A cell of a row that a question names, with its column's words and definition."""

    named: NamedRow
    cell: BlockCell
    column: str
    definition: str

    @property
    def text(self) -> str:
        return self.named.table.text(self.cell)

    @property
    def is_flag(self) -> bool:
        return self.cell.column in self.named.table.flags

    @functools.cached_property
    def column_stems(self) -> frozenset[str]:
        words = [word for word in self.column.split() if not word.isdecimal()]
        return frozenset(stem_words(" ".join(words)))

    @functools.cached_property
    def definition_stems(self) -> frozenset[str]:
        return frozenset(stem_words(self.definition))

    @property
    def place(self) -> Place:
        """The cell, under the name of its row."""
        document = self.named.table.document
        return Place(document.id, self.cell.start, self.cell.end, label=self.named.label)

    @property
    def says(self) -> tuple[str, str]:
        """What it says of what: equal for cells that say the same of one thing."""
        return self.place.label.lower(), self.text

    @property
    def row_place(self) -> Place:
        row = self.named.row
        return Place(self.named.table.document.id, row.start, row.end)


def column_words(name: str) -> str:
    """The words of a column's name: "Share Women" of "ShareWomen", "incidents 85 99"."""
    return " ".join(_WORD_PART.findall(name))


def definitions(documents: Sequence[Document]) -> dict[str, str]:
    """What data dictionaries say of the names of columns, or of parts of these: tables whose first
    cells are such names.
    """
    columns: set[str] = set()
    for document in documents:
        for block in document.blocks:
            if block.kind == "table":
                for column in block.columns:
                    columns.update(_parts(column.name))

    defined: dict[str, str] = {}
    for document in documents:
        for block in document.blocks:
            if block.kind != "row" or len(block.cells) < _FEWEST_COLUMNS:
                continue
            first, *others = (document.text[cell.start : cell.end] for cell in block.cells)
            name = first.strip("`*").lower()
            if name in columns:
                defined.setdefault(name, " ".join(others))
    return defined


def _parts(name: str) -> list[str]:
    """A column's name in lower case, and its parts: of "all_2534"."""
    parts = name.lower().split("_")
    return [name.lower(), *parts] if len(parts) > 1 else [name.lower()]


def _definition(name: str, defined: Mapping[str, str]) -> str:
    """What is defined for a column, or else for the parts of its name; "" for nothing."""
    whole, *parts = _parts(name)
    return defined.get(whole) or " ".join(defined[part] for part in parts if part in defined)


_DICTIONARY = re.compile(r"(?i)read_?me|dictionary|code_?book")
"""In the name of a document that may define the columns of tables beside it."""
_LISTED = 50
"""Documents of a folder that are looked at."""


def _dictionaries(tables: Sequence[Document], store: Store) -> list[Document]:
    """The documents in the folders of these tables that may define their columns."""
    folders = dict.fromkeys(document.id.rpartition("/")[0] for document in tables)
    names: list[str] = []
    for folder in filter(None, folders):
        for listed in store.documents(f"{folder}/", _LISTED):
            parent, _, name = listed.id.rpartition("/")
            if parent == folder and _DICTIONARY.search(name):
                names.append(listed.id)
    return [document for document in map(store.document, names) if document]


def cells_of(question: str, documents: Sequence[Document], store: Store | None) -> list[RecordCell]:
    """The cells of the rows that a question names in the nearest documents, without the rows'
    names. Documents beside them in the `store` may define their columns.
    """
    nearest = [document for document in documents if records_of(document)][:_MOST_DOCUMENTS]
    rows = named_rows(question, nearest)
    if not rows:
        return []
    beside = _dictionaries(nearest, store) if store else []
    defined = definitions([*documents, *beside])
    cells: list[RecordCell] = []
    for named in _without_definitions(rows, defined):
        columns = named.table.columns
        for cell in named.row.cells:
            if not 0 <= cell.column < len(columns) or cell.column in named.table.names[:1]:
                continue
            name = columns[cell.column]
            if name:
                made = RecordCell(named, cell, column_words(name), _definition(name, defined))
                if not _is_of_other_period(made):
                    cells.append(made)
    return cells


def _without_definitions(
    rows: Sequence[NamedRow], defined: Mapping[str, str]
) -> Sequence[NamedRow]:
    """The rows without those that define a column, if the whole name of another one is asked."""
    data = [named for named in rows if named.label.strip("`*").lower() not in defined]
    return data if any(named.share == 1.0 for named in data) else rows


# Which one is asked


@dataclass
class RecordMatcher:
    """Says which cell a question asks for, and how likely it answers; `figures` lends its vectors.

    `columns`, shape (features,), are the weights of the choice of a cell among those of the rows
    that are named. `answers`, shape (1 + features + 1,), are those of whether the chosen one
    answers: of its share in the choice, of its features, and a constant.
    """

    columns: NDArray[np.float32]
    answers: NDArray[np.float32]
    figures: Matcher

    @classmethod
    def shipped(cls, figures: Matcher, path: Path = SHIPPED) -> RecordMatcher:
        """The shipped weights, which were measured with the default embedder."""
        from safetensors.numpy import load_file

        tensors = {name: tensor.astype("float32") for name, tensor in load_file(path).items()}
        return cls(tensors["columns"], tensors["answers"], figures)

    def choice(self, rows: NDArray[np.float32], said: Sequence[object]) -> tuple[int, float]:
        """The likeliest of the cells with these features, and the share of those that say the same
        in the choice; `said` is what each cell says.
        """
        shares = shares_of((rows @ self.columns).tolist())
        winner = shares.index(max(shares))
        same = [share for share, says in zip(shares, said, strict=True) if says == said[winner]]
        return winner, sum(same)

    def probability(self, row: NDArray[np.float32], share: float) -> float:
        """How likely the chosen cell with these features answers."""
        log_odds = share * self.answers[0] + row @ self.answers[1:-1] + self.answers[-1]
        return 1 / (1 + math.exp(-float(log_odds)))

    def features(
        self, question: str, cells: Sequence[RecordCell], odds: Mapping[str, float]
    ) -> NDArray[np.float32]:
        """One row of features for each cell, shape (cells, features). `odds` are how likely the
        question wants each form.
        """
        import numpy as np

        phrases = [" ".join(cell.named.words) or question for cell in cells]
        texts = [cell.column for cell in cells]
        meanings = [cell.definition or cell.column for cell in cells]
        raw = self.figures.vectors_of([*phrases, *texts, *meanings])
        moved = self.figures.moved(raw)
        count = len(cells)
        like = (moved[:count] * moved[count : 2 * count]).sum(axis=1)
        raw_like = (raw[:count] * raw[count : 2 * count]).sum(axis=1)
        definition_like = (raw[:count] * raw[2 * count :]).sum(axis=1)

        rows = [id(cell.named) for cell in cells]
        columns = {
            "like": like,
            "like_lead": _lead(like, rows),
            "raw_like": raw_like,
            "definition_like": definition_like,
            "definition_lead": _lead(definition_like, rows),
        }
        documents = list(dict.fromkeys(cell.named.table.document.id for cell in cells))
        highest = max(cell.named.mass for cell in cells)
        longest = max(len(cell.named.name) for cell in cells)
        titles = [
            title_stems(doc.id, doc.title)
            for doc in {
                cell.named.table.document.id: cell.named.table.document for cell in cells
            }.values()
        ]
        common = frozenset.intersection(*titles) if len(titles) > 1 else frozenset[str]()
        by_cell = [_stem_features(question, cell, odds, highest, longest, common) for cell in cells]
        for name in by_cell[0]:
            columns[name] = np.array([row[name] for row in by_cell])
        ranks = [documents.index(cell.named.table.document.id) for cell in cells]
        columns["document_rank"] = np.array(ranks)
        return np.stack([columns[name] for name in FEATURES], axis=1).astype("float32")


def _lead(likeness: NDArray[np.float32], rows: Sequence[int]) -> NDArray[np.float32]:
    """How far each cell is before the likest other one of its row, negative if behind."""
    import numpy as np

    lead = np.zeros_like(likeness)
    for number, row in enumerate(rows):
        others = [
            likeness[other]
            for other, other_row in enumerate(rows)
            if other_row == row and other != number
        ]
        lead[number] = likeness[number] - max(others, default=likeness[number])
    return lead


@functools.lru_cache(4096)
def _numbers_of_column(column: str) -> tuple[str, ...]:
    """The numbers in the words of a column; four digits that are no year are two numbers."""
    numbers: list[str] = []
    for number in _DIGITS.findall(column):
        if len(number) == _YEAR_DIGITS and not _YEAR.fullmatch(number):
            numbers += [number[:_SHORT_YEAR], number[_SHORT_YEAR:]]
        else:
            numbers.append(number)
    return tuple(numbers)


def _is_of_other_period(cell: RecordCell) -> bool:
    """Whether the column has numbers, such as those of years, but not each year of the question."""
    own = _numbers_of_column(cell.column)
    stated = {*own, *_DIGITS.findall(cell.definition)}
    years = {word for word in _DIGITS.findall(" ".join(cell.named.words)) if _YEAR.fullmatch(word)}
    unsaid = [year for year in years if year not in stated and year[-_SHORT_YEAR:] not in own]
    return bool(own and unsaid)


_FORMS_OF_MORE = ("comparison", "list", "steps", "overview", "catalogue", "needs_all")
"""Forms that one cell does not have."""


def _letters_said(column: str, asked: frozenset[str]) -> float:
    """The share of a column's letters that are words of the question: of "sugarpercent"."""
    letters = "".join(word for word in column.lower().split() if not word.isdecimal())
    left = letters
    for stem in sorted(asked, key=len, reverse=True):
        if len(stem) >= _SHORTEST_PART:
            left = left.replace(stem, " ", 1)
    return 1 - len(left.replace(" ", "")) / max(1, len(letters))


def _stem_features(
    question: str,
    cell: RecordCell,
    odds: Mapping[str, float],
    highest: float,
    longest: int,
    common_title: frozenset[str],
) -> dict[str, float]:
    """The features of a cell that need no vectors."""
    polar = polarity(question, odds)
    named = cell.named
    table = named.table
    own_title = title_stems(table.document.id, table.document.title)
    title = own_title | table.headings
    rest = " ".join(named.words)
    words = [word for word in named.words if word.lower() not in STOP_WORDS]
    asked = frozenset(stem_words(" ".join(word for word in words if not word.isdecimal())))
    measured = asked - title | asked & cell.column_stems
    said = cell.column_stems | cell.definition_stems
    known = said | title | frozenset(table.rarity)

    numbers = set(_DIGITS.findall(rest))
    short = {number[-_SHORT_YEAR:] for number in numbers if _YEAR.fullmatch(number)}
    own = _numbers_of_column(cell.column)
    common = [number for number in own if number in numbers or number in short]
    own_set = set(own)
    stated = own_set | set(_DIGITS.findall(cell.definition))
    unsaid = [
        number
        for number in numbers
        if number not in stated and number[-_SHORT_YEAR:] not in own_set
    ]
    is_number = number_of(cell.text) is not None
    own_stems = cell.column_stems
    cell_stems = frozenset(stem_words(cell.text))
    question_stems = frozenset(stem_words(question))
    is_counted = bool(_HOW_MANY.search(question))
    return {
        "row_share": named.share,
        "row_lead": named.mass / highest,
        "row_words": len(named.name) / longest,
        "title_asked": float(len((own_title - common_title) & frozenset(stem_words(question)))),
        "column_share": len(own_stems & asked) / max(1, len(own_stems)),
        "asked_share": len(measured & said) / max(1, len(measured)),
        "letters_asked": _letters_said(cell.column, asked),
        "cell_said": len(cell_stems & question_stems) / max(1, len(cell_stems)) * (not is_number),
        "is_defined": float(bool(cell.definition)),
        "numbers_share": float(bool(common)),
        "numbers_unasked": 1 - len(common) / max(1, len(own)) if own else 0.0,
        "numbers_unsaid": float(len(unsaid)),
        "unknown_words": float(len(measured - known)),
        "is_text": float(not is_number and not cell.is_flag),
        "counts_text": float(not is_number and is_counted),
        "counts_flag": float(cell.is_flag and is_counted),
        "is_polar_flag": polar * cell.is_flag,
        "is_other_flag": (1 - polar) * cell.is_flag,
        "is_polar_value": polar * (not cell.is_flag),
        "wants_more": sum(odds.get(form, 0.0) for form in _FORMS_OF_MORE),
        "words": math.log1p(len(measured)),
    }


# Candidates


def record_candidates(
    question: str,
    documents: Sequence[Document],
    store: Store | None,
    matcher: RecordMatcher,
    odds: Mapping[str, float],
) -> list[Candidate]:
    """The cell that a question asks for of the row that it names in the documents, best first, with
    its probability: at most one candidate. Documents beside them in the `store` may define their
    columns; `odds` are how likely the question wants each form.
    """
    cells = cells_of(question, documents, store)
    if not cells:
        return []

    rows = matcher.features(question, cells, odds)
    number, share = matcher.choice(rows, [cell.says for cell in cells])
    winner = cells[number]
    probability = matcher.probability(rows[number], share)
    if probability < LEAST_PROBABILITY:
        return []

    polar = polarity(question, odds)
    verdict = verdict_of(question, winner, polar)
    if verdict:
        return [
            Candidate(
                "yes_no",
                GENERATOR,
                (winner.row_place,),
                verdict=verdict,
                probability=probability,
            )
        ]
    if winner.is_flag or polar >= _POLAR:
        return []
    return [Candidate("span", GENERATOR, (winner.place,), probability=probability)]


_POLAR = 0.5
"""Probability of a yes/no question from which on a cell that is no verdict does not answer."""


def polarity(question: str, odds: Mapping[str, float]) -> float:
    """How likely a question wants yes or no."""
    if _POLAR_WORDS.search(question) and QUESTION_WORDS.isdisjoint(word_set(question)):
        return 1.0
    return odds.get("yes_no", 0.0)


def verdict_of(question: str, cell: RecordCell, polar: float) -> YesNo | None:
    """What a cell says to a yes/no question: a flag, or a count where any are asked for."""
    if _COMPARES.search(question) or DENIALS & word_set(question):
        return None
    if cell.is_flag:
        return "yes" if cell.text.lower() in _YES else "no"
    is_count = cell.cell.column in cell.named.table.counts
    if polar < _POLAR or not is_count:
        return None
    is_zero = _number(cell.text) == 0
    return "no" if is_zero else "yes"
