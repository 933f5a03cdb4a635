"""Answers from exported tables: the cell that a question asks for of the row that it names.

The columns of such tables have short names, such as "fatal_accidents_85_99", which a data
dictionary beside them may define. A fitted model chooses the cell, and says how likely it answers.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rag.answering.candidate import Candidate
from rag.answering.table_matcher import Matcher, shares_of
from rag.answering.table_rows import YEAR, YES, NamedRow, Records, named_rows, records_of
from rag.facts import number_of, without_periods
from rag.meaning.periods import of_column
from rag.meaning.stems import stem_words
from rag.meaning.words import DENIALS, QUESTION_WORDS, STOP_WORDS, word_set
from rag.types import BlockCell, Document, Place, YesNo

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
_OF_SHARED_WORDS = ("column_share", "asked_share", "letters_asked", "cell_said")
"""Features of the words that a question shares with a cell, its column or its definition."""
LEAST_PROBABILITY = 0.45
"""Of a cell, from which on it is proposed."""
_MOST_DOCUMENTS = 4
"""Documents with such tables that are searched, the nearest first."""
_DOCUMENTS_KEPT = 32
"""Documents whose tables are kept for the next question."""
_OF_A_DEFINITION = 2
"""Cells of a row that defines a name, at least."""
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
            if block.kind != "row" or len(block.cells) < _OF_A_DEFINITION:
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


def cells_of(
    question: str, tables: Sequence[Records], defined: Mapping[str, str]
) -> list[RecordCell]:
    """The cells of the rows of the tables that a question names, without the rows' names.
    `defined` is what data dictionaries say of the names of columns.
    """
    cells: list[RecordCell] = []
    for named in _without_definitions(named_rows(question, tables), defined):
        columns = named.table.columns
        for cell in named.row.cells:
            name = columns[cell.column] if 0 <= cell.column < len(columns) else ""
            is_first_name = cell.column == named.table.names[0]
            if is_first_name or not _is_measure(name):
                continue

            made = RecordCell(
                named=named,
                cell=cell,
                column=column_words(name),
                definition=_definition(name, defined),
            )
            if not _is_of_other_period(made):
                cells.append(made)
    return cells


def _is_measure(column: str) -> bool:
    """Whether the name of a column says what is measured, not on which day or in which year: tables
    of periods have measures in their rows, which `rag.answering.table_figures` reads.
    """
    name = without_periods(column)
    if name == column:
        return True
    return bool(stem_words(name)) and not of_column(column).days


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
    tables: dict[tuple[str, str], list[Records]] = field(default_factory=dict)
    """by id and digest of the documents that were read last"""

    @classmethod
    def shipped(cls, figures: Matcher, path: Path = SHIPPED) -> RecordMatcher:
        """The shipped weights, which were measured with the default embedder."""
        from safetensors.numpy import load_file

        tensors = {name: tensor.astype("float32") for name, tensor in load_file(path).items()}
        return cls(tensors["columns"], tensors["answers"], figures)

    def tables_of(self, document: Document) -> list[Records]:
        """The tables of a document whose rows have names, kept for the next question."""
        key = document.id, document.sha256
        if key not in self.tables:
            if len(self.tables) >= _DOCUMENTS_KEPT:
                del self.tables[next(iter(self.tables))]
            self.tables[key] = list(records_of(document))
        return self.tables[key]

    def cells(
        self, question: str, documents: Sequence[Document], store: Store | None
    ) -> list[RecordCell]:
        """The cells of the rows that a question names in the nearest documents. Documents beside
        them in the `store` may define their columns.
        """
        with_tables = [document for document in documents if self.tables_of(document)]
        nearest = with_tables[:_MOST_DOCUMENTS]
        tables = [table for document in nearest for table in self.tables_of(document)]
        if not named_rows(question, tables):
            return []

        beside = _dictionaries(nearest, store) if store else []
        return cells_of(question, tables, definitions([*documents, *beside]))

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
        names = [cell.column for cell in cells]
        meanings = [cell.definition or cell.column for cell in cells]
        vectors = self.figures.vectors_of([*phrases, *names, *meanings])
        moved = self.figures.moved(vectors)

        count = len(cells)
        asked, named, defined = slice(0, count), slice(count, 2 * count), slice(2 * count, None)
        likeness = (moved[asked] * moved[named]).sum(axis=1)
        raw_likeness = (vectors[asked] * vectors[named]).sum(axis=1)
        definition_likeness = (vectors[asked] * vectors[defined]).sum(axis=1)
        columns = {
            "like": likeness,
            "like_lead": _lead(likeness, cells),
            "raw_like": raw_likeness,
            "definition_like": definition_likeness,
            "definition_lead": _lead(definition_likeness, cells),
        }

        polar = polarity(question, odds)
        rows = [
            _row_features(question, cell, cells)
            | _word_features(question, cell)
            | _number_features(cell)
            | _kind_features(question, cell, polar)
            for cell in cells
        ]
        for name in rows[0]:
            columns[name] = np.array([row[name] for row in rows])
        likelihood_of_more = sum(odds.get(form, 0.0) for form in _FORMS_OF_MORE)
        columns["wants_more"] = np.full(count, likelihood_of_more)
        return np.stack([columns[name] for name in FEATURES], axis=1).astype("float32")


def _lead(likeness: NDArray[np.float32], cells: Sequence[RecordCell]) -> NDArray[np.float32]:
    """How far each cell is before the likest other one of its row, negative if behind."""
    import numpy as np

    lead = np.zeros_like(likeness)
    for number, cell in enumerate(cells):
        others = [
            likeness[other_number]
            for other_number, other in enumerate(cells)
            if other.named is cell.named and other_number != number
        ]
        lead[number] = likeness[number] - max(others, default=likeness[number])
    return lead


@functools.lru_cache(4096)
def _numbers_of_column(column: str) -> tuple[str, ...]:
    """The numbers in the words of a column; four digits that are no year are two numbers."""
    numbers: list[str] = []
    for number in _DIGITS.findall(column):
        if len(number) == _YEAR_DIGITS and not YEAR.fullmatch(number):
            numbers += [number[:_SHORT_YEAR], number[_SHORT_YEAR:]]
        else:
            numbers.append(number)
    return tuple(numbers)


def _is_of_other_period(cell: RecordCell) -> bool:
    """Whether the column has numbers, such as those of years, but not each year of the question."""
    own = _numbers_of_column(cell.column)
    stated = {*own, *_DIGITS.findall(cell.definition)}
    years = {word for word in _DIGITS.findall(" ".join(cell.named.words)) if YEAR.fullmatch(word)}
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


def _row_features(question: str, cell: RecordCell, cells: Sequence[RecordCell]) -> dict[str, float]:
    """How well the question names the cell's row and document, beside those of the other cells."""
    named = cell.named
    highest = max(other.named.mass for other in cells)
    longest = max(len(other.named.name) for other in cells)
    documents = list(dict.fromkeys(other.named.table.document.id for other in cells))

    title = named.table.title_stems
    titles = {other.named.table.title_stems for other in cells}
    own_title = title - frozenset.intersection(*titles) if len(documents) > 1 else title
    return {
        "row_share": named.share,
        "row_lead": named.mass / highest,
        "row_words": len(named.name) / longest,
        "document_rank": float(documents.index(named.table.document.id)),
        "title_asked": float(len(own_title & frozenset(stem_words(question)))),
    }


def _word_features(question: str, cell: RecordCell) -> dict[str, float]:
    """Which words of the question the cell's column and its definition have, and the reverse."""
    table = cell.named.table
    column = cell.column_stems
    title = table.title_stems | table.headings

    words = [word for word in cell.named.words if word.lower() not in STOP_WORDS]
    asked = frozenset(stem_words(" ".join(word for word in words if not word.isdecimal())))
    measured = asked - title | asked & column
    said = column | cell.definition_stems
    known = said | title | frozenset(table.rarity)

    said_by_cell = 0.0
    if number_of(cell.text) is None:
        cell_stems = frozenset(stem_words(cell.text))
        said_by_cell = len(cell_stems & set(stem_words(question))) / max(1, len(cell_stems))
    return {
        "column_share": len(column & asked) / max(1, len(column)),
        "asked_share": len(measured & said) / max(1, len(measured)),
        "letters_asked": _letters_said(cell.column, asked),
        "cell_said": said_by_cell,
        "is_defined": float(bool(cell.definition)),
        "unknown_words": float(len(measured - known)),
        "words": math.log1p(len(measured)),
    }


def _number_features(cell: RecordCell) -> dict[str, float]:
    """Whether the column has the numbers of the question, such as years."""
    numbers = set(_DIGITS.findall(" ".join(cell.named.words)))
    short_years = {number[-_SHORT_YEAR:] for number in numbers if YEAR.fullmatch(number)}
    own = _numbers_of_column(cell.column)
    common = [number for number in own if number in numbers | short_years]
    stated = {*own, *_DIGITS.findall(cell.definition)}
    unsaid = [
        number for number in numbers if number not in stated and number[-_SHORT_YEAR:] not in own
    ]
    return {
        "numbers_share": float(bool(common)),
        "numbers_unasked": 1 - len(common) / len(own) if own else 0.0,
        "numbers_unsaid": float(len(unsaid)),
    }


def _kind_features(question: str, cell: RecordCell, polar: float) -> dict[str, float]:
    """Whether the cell is of the kind that the question wants; `polar` is how likely this is yes or
    no, in [0, 1].
    """
    is_text = number_of(cell.text) is None
    is_counted = bool(_HOW_MANY.search(question))
    return {
        "is_text": float(is_text and not cell.is_flag),
        "counts_text": float(is_text and is_counted),
        "counts_flag": float(cell.is_flag and is_counted),
        "is_polar_flag": polar * cell.is_flag,
        "is_other_flag": (1 - polar) * cell.is_flag,
        "is_polar_value": polar * (not cell.is_flag),
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
    cells = matcher.cells(question, documents, store)
    if not cells:
        return []

    rows = matcher.features(question, cells, odds)
    number, share = matcher.choice(rows, [cell.says for cell in cells])
    winner = cells[number]
    probability = matcher.probability(rows[number], share)
    if probability < LEAST_PROBABILITY or not is_asked(rows[number]):
        return []

    polar = polarity(question, odds)
    verdict = verdict_of(question, winner, polar)
    if verdict:
        row = (winner.row_place,)
        return [Candidate("yes_no", GENERATOR, row, verdict=verdict, probability=probability)]
    if winner.is_flag or polar >= _POLAR:
        return []
    return [Candidate("span", GENERATOR, (winner.place,), probability=probability)]


def is_asked(row: NDArray[np.float32]) -> bool:
    """Whether a question shares a word with the cell, its column or its definition: otherwise it
    names the row only, as in "How did the Board vote on 12 June 2025?".
    """
    return any(row[FEATURES.index(name)] for name in _OF_SHARED_WORDS)


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
        return "yes" if cell.text.lower() in YES else "no"
    is_count = cell.cell.column in cell.named.table.counts
    if polar < _POLAR or not is_count:
        return None
    return "no" if number_of(cell.text) == 0 else "yes"
