"""Facts: the figures of tables, each with its labels, column, periods, unit and scale.

A table is read from a document's blocks, once for each reading of the document. What the table
itself does not say is looked for right above it: "(In thousands)", "£m", or the rows of the page
before.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from rag.meaning.periods import Periods, of_column, periods
from rag.meaning.quantities import CURRENCIES, CURRENCY_NAMES, figure_factor
from rag.meaning.words import CODE, MONTH, SIGN, SMALL_NUMBERS
from rag.structure import enclosing, rows_of
from rag.types import Block, BlockCell, Document, path_of

MOST_ROWS = 400
"""Rows of a table up to which labels above a row are looked for, and rows compared."""
_LONGEST_STATEMENT = 160
"""Characters of a line above a table that may state the unit of its figures."""
_FIGURE = re.compile(
    r"(?:[-\u2013\u2212(]|[$\u20ac\u00a3\u00a5]|US\$)* ?\(?\d[\d,.]*(?: \d{3})*\)? ?"
    r"(?:%|x|[kmb]n?|thousand|million|billion)?\)?(?: ?[$\u20ac\u00a3\u00a5])?"
    r"(?: ?\(\d\))?",
    re.IGNORECASE,
)
"""A cell that is a figure: with a sign, in brackets if it is negative, or with a unit."""
_NUMBER = re.compile(r"\d{1,3}(?:[, ]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+")
_UNIT_IN_NAME = re.compile(
    r"(?i)(?:[$\u20ac\u00a3\u00a5]|\bUS\$)\s?['\u2019]?(?:0{3}s?|millions?|thousands?|billions?|m|mn|bn|k)\b"
)
"""A currency and its scale in the name of a column, as "2024 \u00a3m"."""
_NOTE = re.compile(
    r"(?i)\s?(?:\((?:see )?(?:notes? )?(?:\d{1,2}|[a-z])\)|\[\d+\]|[*\u2020\u2021]+)"
)
_NOTE_COLUMN = re.compile(r"(?i)notes?(?: no\.?)?|ref(?:erence)?\.?|page")
_TOTAL = re.compile(
    r"(?i)(?:(?:sub|grand )?totals?|net cash|sum|all|overall)\b|.*\btotal$|group$|company$"
)
_AFTER_GROUP = re.compile(": ")
_ENDS_GROUP = re.compile(r"(?i)total\b|net cash\b")
_PERIOD_NAMES = ("year", "quarter", "period", "date")
"""Names, perhaps after "fiscal", of a column whose cells state the period of their row."""
_PERIOD_WORD = re.compile(
    r"\b(?:FY|Q[1-4]|[1-4]Q|(?:first|second|third|fourth|1st|2nd|3rd|4th) quarter|of|"
    rf"{MONTH})(?=\b|\d)",
    re.IGNORECASE,
)
_ENDED = re.compile(rf"(?i)\b(?:ended|ending|{MONTH}(?: \d{{1,2}})?,?)$")
"""The end of a name that the names of the other columns complete: "Thirteen weeks ended"."""
_OF_PERIOD = re.compile(
    rf"(?i)\b(?:(?:for|at|as of|of) )?(?:the )?(?:(?:fiscal|financial|full|calendar) )?"
    rf"(?:(?:\d+|three|six|nine|twelve|thirteen|twenty-six|thirty-nine|fifty-two|fifty-three)[ -])?"
    rf"(?:years?|quarters?|months?|weeks?|half|H[12]|Q[1-4]|FY)\b(?: end(?:ed|ing))?"
    rf"|\b(?:as (?:at|of)|ended|unaudited|audited|restated)\b"
    rf"|\b(?:\d{{1,2}} )?{MONTH}\b\.?(?: \d{{1,2}}\b)?,?|\b(?:FY ?)?(?:19|20)\d\d(?:[/-]\d\d)?\b"
)
"""What the name of a column says about its period."""
_COUNT_OF = re.compile(
    r"(?i)\((?:in )?(?:thousand|million|billion)s?(?: of (?P<what>[a-z -]+))?\)$"
)
"""At the end of a label that states what is counted: "Fuel consumed (millions of gallons)"."""
_PERCENT = re.compile(r"(?i)(?<!\d)%|\bper ?cent\b|\bpercent")
_IN_PERCENT = re.compile(r"(?i)(?:\(|\bin )(?:%|per ?cent\b)")
"""In a heading that states the unit of the figures below it: "Journeys by mode (in %)"."""
_SIGN = re.compile(SIGN)
_SMALL = {"pence": "penny", "cents": "cent", "basis points": "basis_point"}
_CURRENCY = re.compile(
    rf"(?P<short>{SIGN}(?! ?(?!0{{3}})\d)|\b{CODE}\b)"
    rf"|\b(?:U\.S\.? )?(?P<name>{CURRENCY_NAMES})(?P<plural>s)?\b",
    re.IGNORECASE,
)
_ONE_OF_THEM = frozenset(("dollar", "us dollar", "euro"))
"""Names that state a unit only in the plural: "the euro area" does not."""
_AS_UNIT = re.compile(r"(?i)(?:\b(?:in|of)|\(|^)\s*\Z")
"""Before a name that states a unit: "in yen", "(Swiss franc)", and not "Loans in the yen area"."""
_POUNDS = re.compile(
    r"(?i)\b(?:(?:thousand|million|billion)s?(?: of)?|in) pounds\b(?! of\b)|^pounds$"
)
_STERLING = re.compile(r"\u00a3|\bGBP\b|\b[Ss]terling\b|\bpence\b")
_PRICED = re.compile(
    r"(?i)\b(?:prices?|fees?|fares?|tickets?|tariffs?|costs?|charges?|rents?|pay|paid|payments?|"
    r"salar(?:y|ies)|wages?|budgets?|revenues?|income|profits?|tax(?:es)?|grants?|donations?|"
    r"spending|expenditure)\b"
)
"""What a table of amounts of money is about."""
_WEIGHT = re.compile(r"(?i)\b(?:weigh\w*|loads?|lbs?|luggage)\b")
_SCALE_ALONE = re.compile(
    r"(?i)^[\s(\[*_]*(?:(?:all )?(?:figures|numbers|amounts|values)(?: are)? )?(?:in )?"
    r"(thousands|millions|billions)\W*$"
)
"""A line that states nothing else: "Thousands"."""
_CODES = frozenset(CURRENCIES.values())
_COUNTED = re.compile(
    r"(?i)\bnumber of\b|\bshares (?:outstanding|issued|used)|\baverage .*shares|\bdegree days\b"
    r"|\b(?:employees|headcount|units|customers|rate|ratio|(?<!gross )margin|count|tonnes|miles"
    r"|homes|hours|passengers|trips|vehicles|MWh|GWh)\W*(?:\(.*)?$|(?<!\d)%"
)
"""In a label or a statement whose figures are no money."""
_QUANTITY = re.compile(
    rf"(?i)\b(?:\d[\d.,]*|{'|'.join(SMALL_NUMBERS)})[ -]"
    r"(?:employees|units|customers|tonnes|miles|homes|hours|passengers|trips|vehicles)\b"
)
"""Words of a label that are no unit of its figures: "Evening ticket (last two hours)"."""
_IN_BRACKETS = re.compile(r"\([^()]*\)")
_PER_SHARE = re.compile(r"(?i)\bper[- ](?:\w+ )?share\b|\bEPS\b")


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure of a table, `document.text[start:end] == text`.

    `labels` are the label of its row, last, and those above it, without notes; `column` is the name
    of its column, `series` what that says besides a period. `number` is the figure as written, with
    its sign, or None if it cannot be read, and `scale` the factor that the table states for it.
    `unit` is a currency's code, "percent", "penny" or the like, or "". `stated` are the periods
    that the name of its column states, `periods` these, or else those of its row or of the heading.
    """

    row: int
    labels: tuple[str, ...]
    column: str
    series: str
    start: int
    end: int
    text: str
    number: float | None
    scale: int
    unit: str
    stated: Periods
    periods: Periods

    @property
    def label(self) -> str:
        return self.labels[-1] if self.labels else ""

    @property
    def factor(self) -> int:
        """The scale, negative if the figure is: of its words without their sign."""
        is_negative = self.number is not None and self.number < 0
        return -self.scale if is_negative else self.scale

    @property
    def is_money(self) -> bool:
        return self.unit in _CODES

    @property
    def counted(self) -> str:
        """What the brackets at the end of the label say is counted, such as "MWh"; "" for money and
        percentages.
        """
        if self.is_money or self.unit == "percent" or not self.label.endswith(")"):
            return ""
        in_brackets = _IN_BRACKETS.findall(self.label)
        return in_brackets[-1].lower() if in_brackets else ""


@dataclass(frozen=True, slots=True)
class FactRow:
    """A row of a table: its facts, its `label`'s place, and the texts of the other cells, each
    after the name of its column.
    """

    block: Block
    labels: tuple[str, ...]
    label: BlockCell | None
    facts: tuple[Fact, ...]
    texts: tuple[str, ...]

    @property
    def is_total(self) -> bool:
        return bool(self.labels and _TOTAL.match(self.labels[-1]))

    @property
    def stated(self) -> Periods:
        """The periods of a row that is labelled by nothing else: "2023" or "Year: 2023"."""
        for fact in self.facts:
            name = fact.column.lower().removeprefix("fiscal ").removeprefix("financial ")
            if name in _PERIOD_NAMES:
                return periods(fact.text)

        label = self.texts[0] if self.texts else ""
        rest = _PERIOD_WORD.sub("", label)
        has_other_words = any(sign.isalnum() and not sign.isdecimal() for sign in rest)
        if has_other_words:
            return Periods()
        return periods(label)


class FactTable:
    """The table of a document that is the block at `index`."""

    def __init__(self, document: Document, index: int) -> None:
        self.document = document
        self.index = index
        self.block = document.blocks[index]
        stub = self.block.columns[0].name if self.block.columns else ""
        self.statement, self._above = _statement(document, index, stub)
        """the line that states the unit, or "", and the table's part on the page before"""
        self._stub = f"{stub} " if _ENDED.search(stub) else ""

    @classmethod
    def at(cls, document: Document, offset: int) -> FactTable | None:
        """The table around an offset; None elsewhere."""
        index = enclosing(document.blocks, offset, "table")
        if index is None:
            return None
        return cls(document, index)

    @functools.cached_property
    def headings(self) -> str:
        return path_of(_headings(self.document.blocks, self.index))

    @functools.cached_property
    def name(self) -> str:
        """The innermost heading that is more than the line which states the unit, without a unit
        in brackets.
        """
        names = _headings(self.document.blocks, self.index)
        for name in reversed(names):
            if name not in self.statement or not _is_only_unit(name):
                return _IN_BRACKETS.sub(_without_unit, name).rstrip()
        return ""

    @functools.cached_property
    def rows(self) -> tuple[FactRow, ...]:
        """The rows with the labels above them, in order; () for a table of too many rows."""
        blocks = [*rows_of(self.document.blocks, self.index, MOST_ROWS + 1)]
        if len(blocks) > MOST_ROWS:
            return ()

        above = self._above.last_group if self._above else ""
        known_labels: set[str] = set()
        written_groups: set[str] = set()
        rows: list[FactRow] = []
        for number, block in enumerate(blocks):
            own_groups = _groups_in(self._label_text(block), known_labels)
            if own_groups:
                written_groups.add(own_groups[-1])
            elif above in written_groups:  # it names only the rows that have it in their labels
                above = ""
            row = self._row(block, number, own_groups or ((above,) if above else ()))
            rows.append(row)
            known_labels.update(row.labels)
            if not row.labels:  # or a label of nothing but notes
                continue
            last_label = row.labels[-1]
            is_alone = not row.facts and len(row.texts) == 1
            is_group = is_alone and row.label is not None and row.label.column < 1
            if is_group:
                above = last_label
            elif _ENDS_GROUP.match(last_label):
                above = ""
        return _with_currency(rows)

    @property
    def last_group(self) -> str:
        """The label above the last row, under which the next page may go on."""
        if not self.rows:
            return ""
        labels = self.rows[-1].labels
        if not labels or _ENDS_GROUP.match(labels[-1]):
            return ""
        is_group = not self.rows[-1].facts
        if is_group or len(labels) > 1:
            return labels[0]
        return ""

    def row_at(self, offset: int) -> FactRow | None:
        """The row around an offset, without the labels above it."""
        index = enclosing(self.document.blocks, offset, "row")
        if index is None:
            return None
        return self._row(self.document.blocks[index], number=0, labels_above=())

    def column_name(self, cell: BlockCell) -> str:
        """Name of a cell's column, or ""."""
        columns = self.block.columns
        if not 0 <= cell.column < len(columns):
            return ""
        return columns[cell.column].name

    def unit_of(self, cell: BlockCell, label: str) -> str:
        """The unit that the table states for a cell of the row with this label, which may have more
        words than a figure: as in `Fact`, "number" for what is only counted, or "".
        """
        text = self.document.text[cell.start : cell.end]
        return self._unit(text, self.column_name(cell), label)

    def _row(self, block: Block, number: int, labels_above: tuple[str, ...]) -> FactRow:
        text = self.document.text
        figures: list[tuple[str, BlockCell]] = []
        texts: list[str] = []
        for cell in block.cells:
            name = self._name_in(block, cell)
            if self._is_figure(name, cell):
                figures.append((name, cell))
                continue
            value = text[cell.start : cell.end]
            texts.append(f"{name}: {value}" if name else value)

        group = ": ".join(labels_above)
        row_label = self._label_text(block).removeprefix(f"{group}: ")
        labels = (*labels_above, row_label) if row_label else labels_above
        facts = [self._fact(number, labels, name, cell) for name, cell in figures]
        return FactRow(
            block=block,
            labels=labels,
            label=self._label_cell(block),
            facts=tuple(facts),
            texts=tuple(texts),
        )

    def _label_cell(self, block: Block) -> BlockCell | None:
        """The first cell of a row that is no figure."""
        for cell in block.cells:
            if not self._is_figure(self._name_in(block, cell), cell):
                return cell
        return None

    def _label_text(self, block: Block) -> str:
        """The label of a row without notes, or ""."""
        cell = self._label_cell(block)
        return without_notes(self.document.text[cell.start : cell.end]) if cell else ""

    def _name_in(self, block: Block, cell: BlockCell) -> str:
        """The name of a cell's column; "" in a row of nothing but a label."""
        is_alone = len(block.cells) == 1 and cell.column == 0
        return "" if is_alone else self.column_name(cell)

    def _is_figure(self, name: str, cell: BlockCell) -> bool:
        """Whether a cell of the column of this name is a figure."""
        if not name or _NOTE_COLUMN.fullmatch(name):
            return False
        return _FIGURE.fullmatch(self.document.text[cell.start : cell.end]) is not None

    def _fact(self, row: int, labels: tuple[str, ...], name: str, cell: BlockCell) -> Fact:
        text = self.document.text[cell.start : cell.end]
        label = " ".join(labels)
        stated = of_column(f"{self._stub}{name}")
        unit = self._unit(text, name, label)
        own_sign = _SIGN.search(text)
        if own_sign and unit not in ("percent", "penny", "cent"):
            unit = CURRENCIES[own_sign[0].lower()]
        series = " ".join(without_periods(_UNIT_IN_NAME.sub(" ", name)).split())
        return Fact(
            row=row,
            labels=labels,
            column=name,
            series=series.strip(" ,-"),
            start=cell.start,
            end=cell.end,
            text=text,
            number=number_of(text),
            scale=self._scale(text, name, label, unit),
            unit=unit,
            stated=stated,
            periods=stated if any(stated) else self._periods(labels),
        )

    def _scale(self, text: str, column: str, label: str, unit: str) -> int:
        """The factor of a figure. That of a table of amounts does not apply to what is counted."""
        kind = "percentage" if unit == "percent" else ""
        stated_units = f"{column} {label}"
        if unit != "number" or "shares" in label.lower():
            stated_units += f" {self.statement} {self.headings}"
        return abs(figure_factor(text, kind, stated_units, label))

    def _periods(self, labels: Sequence[str]) -> Periods:
        """Those of the row's label, or of the labels above it, or of the table's headings."""
        stated = filter(any, map(of_column, reversed(labels)))
        return next(stated, self._of_headings)

    @functools.cached_property
    def _of_headings(self) -> Periods:
        return of_column(self.name)

    def _unit(self, text: str, column: str, label: str) -> str:
        """The unit of a figure: its own, or that of its column, its label or the table."""
        beside = f"{column} {label}"
        if "%" in text or _PERCENT.search(beside):
            return "percent"
        counted = _COUNT_OF.search(label)
        if counted:
            what = counted["what"] or "number"
            return self._currency(what, label) or what
        for name, subunit in _SMALL.items():
            if name in beside.lower():
                return subunit

        stated = self._currency(beside, beside)
        is_counted = _COUNTED.search(_QUANTITY.sub("", beside))
        if not stated and is_counted and not _PER_SHARE.search(beside):
            return "number"
        first_statement = self.statement.split(";")[0]
        if not stated and not _COUNTED.search(first_statement):
            stated = self._currency(self.statement, beside)
        if not stated and _PERCENT.search(self.statement):
            return "percent"
        return stated

    def _currency(self, text: str, beside: str) -> str:
        """The code of the currency that a text states, or "". Pounds are money in a document that
        writes sums in pounds, and in a table of prices and the like, if nothing `beside` the figure
        speaks of a weight.
        """
        for stated in _CURRENCY.finditer(text):
            if stated["short"]:
                return CURRENCIES[stated["short"].lower()]
            name = stated["name"].lower()
            is_unit = name not in _ONE_OF_THEM and _AS_UNIT.search(text, 0, stated.start())
            if stated["plural"] or is_unit:
                return CURRENCIES[name]

        is_money = _POUNDS.search(text) and not _WEIGHT.search(f"{text} {beside}")
        return "GBP" if is_money and (self._has_sterling or self._is_priced) else ""

    @functools.cached_property
    def _is_priced(self) -> bool:
        """Whether the table's headings, statement or columns speak of money."""
        names = [self.headings, self.statement, *(column.name for column in self.block.columns)]
        return _PRICED.search(" ".join(names)) is not None

    @functools.cached_property
    def _has_sterling(self) -> bool:
        return bool(_STERLING.search(self.document.text))


def _groups_in(label: str, known_labels: Collection[str]) -> tuple[str, ...]:
    """The labels above a row that are written before its own label: "Assets: Cash"."""
    groups: list[str] = []
    begin = 0
    for colon in _AFTER_GROUP.finditer(label):
        group = label[begin : colon.start()]
        if group in known_labels:
            groups.append(group)
            begin = colon.end()
    return tuple(groups)


def _with_currency(rows: Sequence[FactRow]) -> tuple[FactRow, ...]:
    """The rows. Figures without a unit have the table's currency if there is only one, and if other
    figures of their column have its sign: reports write it only in the first row and in totals.
    """
    currencies: set[str] = set()
    columns: set[str] = set()
    for row in rows:
        for fact in row.facts:
            if fact.is_money and _SIGN.search(fact.text):
                currencies.add(fact.unit)
                columns.add(fact.column)
    if len(currencies) != 1:
        return tuple(rows)
    (currency,) = currencies

    def with_unit(fact: Fact) -> Fact:
        if fact.unit or fact.column not in columns:
            return fact
        return replace(fact, unit=currency)

    with_units: list[FactRow] = []
    for row in rows:
        facts_of_row = tuple(map(with_unit, row.facts))
        with_units.append(replace(row, facts=facts_of_row))
    return tuple(with_units)


def without_periods(text: str) -> str:
    """A text without its years, dates and lengths of time."""
    return _OF_PERIOD.sub(" ", text)


def without_notes(label: str) -> str:
    """A label without marks of footnotes, and without the colon of a group."""
    return " ".join(_NOTE.sub("", label).split()).rstrip(" :.")


def number_of(text: str) -> float | None:
    """The number of a figure as written, with its sign; None if it cannot be read."""
    ends_with_note = re.search(r"\d\s*\(\d\)$", text)
    if ends_with_note:
        text = _NOTE.sub("", text)
    found_numbers = _NUMBER.findall(text)
    if len(found_numbers) != 1 or re.search(r"\d", _NUMBER.sub("", text)):
        return None

    (digits,) = found_numbers
    number = float(re.sub("[, ]", "", digits))
    before = text[: text.index(digits)]
    is_negative = re.search(r"[-\u2013\u2212(]", before)
    return -number if is_negative else number


def _statement(document: Document, index: int, stub: str) -> tuple[str, FactTable | None]:
    """The caption or the short line right above a table, and the name of its first column or of its
    group if that states a unit. A table on the page before with the same columns lends its own.
    """
    blocks = document.blocks
    captions = [block for block in _first_blocks(blocks, index) if block.kind == "caption"]
    parts = [document.text[block.start : block.end] for block in captions]
    groups = _groups(blocks, index) or _headings(blocks, index)[-1:]
    parts += filter(_states_unit, (stub, *groups))
    parts, table = _with_line_above(document, index, parts)
    in_words = [_SCALE_ALONE.sub(r"(in \1)", part) for part in parts]
    return " ".join(in_words), table


def _headings(blocks: Sequence[Block], index: int) -> tuple[str, ...]:
    """The names of the headings and groups around a table, outermost first; its rows may have names
    of their own, such as "row 4" of a workbook.
    """
    return tuple(block.name for block in _blocks_around(blocks, index) if block.name)


def _groups(blocks: Sequence[Block], index: int) -> tuple[str, ...]:
    """The names of the groups around a table, outermost first."""
    groups = (block for block in _blocks_around(blocks, index) if block.kind == "group")
    return tuple(block.name for block in groups if block.name)


def _blocks_around(blocks: Sequence[Block], index: int) -> list[Block]:
    """The blocks around a block, outermost first."""
    blocks_around: list[Block] = []
    outer = blocks[index].parent
    while outer >= 0:
        blocks_around.append(blocks[outer])
        outer = blocks[outer].parent
    blocks_around.reverse()
    return blocks_around


def _is_only_unit(name: str) -> bool:
    """Whether a heading states a unit and names nothing: "(in pounds)" or "Figures in millions"."""
    words = _IN_BRACKETS.sub("", name).strip(" :")
    return not words or _states_unit(words)


def _without_unit(brackets: re.Match[str]) -> str:
    """Brackets of a heading; "" if they state a unit."""
    return "" if _states_unit(brackets[0]) else brackets[0]


def _states_unit(text: str) -> bool:
    is_scale = figure_factor("1", "", text, "") > 1 or _SCALE_ALONE.match(text)
    is_currency = _CURRENCY.search(text) or _POUNDS.search(text)
    return bool(is_scale or is_currency or _IN_PERCENT.search(text))


def _with_line_above(
    document: Document, index: int, parts: list[str]
) -> tuple[list[str], FactTable | None]:
    """The parts of a statement with what is right above the table."""
    blocks = document.blocks

    before = index - 1
    while before >= 0 and blocks[before].kind == "sentence":
        before -= 1
    if before < 0:
        return parts, None

    table = blocks[index]
    line = blocks[before]
    if line.kind in ("row", "header") and line.parent >= 0:
        names = [column.name for column in table.columns]
        names_above = [column.name for column in blocks[line.parent].columns]
        if any(names) and names == names_above:
            above = FactTable(document, line.parent)
            return [*parts, above.statement], above

    is_text = line.kind in ("paragraph", "caption")
    is_short = line.end - line.start <= _LONGEST_STATEMENT
    if is_text and is_short and line.parent == table.parent:
        parts.append(document.text[line.start : line.end])
    return parts, None


def _first_blocks(blocks: Sequence[Block], index: int) -> Iterator[Block]:
    """The first blocks of a table, up to its first row."""
    for number in range(index + 1, len(blocks)):
        block = blocks[number]
        if block.kind not in ("caption", "sentence"):
            return
        yield block


def fact_at(document: Document, offset: int) -> Fact | None:
    """The fact around an offset."""
    table = FactTable.at(document, offset)
    if table is None:
        return None
    rows = table.rows
    if not rows:
        row = table.row_at(offset)
        rows = (row,) if row else ()
    for row in rows:
        for fact in row.facts:
            if fact.start <= offset < fact.end:
                return fact
    return None


def tables(document: Document, most: int = 200) -> Iterator[FactTable]:
    """The tables of a document in order, at most `most`."""
    count_of_tables = 0
    for index, block in enumerate(document.blocks):
        if block.kind == "table":
            yield FactTable(document, index)
            count_of_tables += 1
            if count_of_tables == most:
                return


def mismatch(facts: Sequence[Fact]) -> str:
    """Why the figures cannot be computed with each other, or ""."""
    if any(fact.number is None for fact in facts):
        return "a cell is not a number"
    units = {fact.unit for fact in facts}
    if len(units) > 1:
        return "the cells have different units"
    scales = {fact.scale for fact in facts}
    if len(scales) > 1:
        return "the cells have different scales"
    months = {fact.periods.months for fact in facts}
    if len(months) > 1:
        return "the cells have different lengths of period"
    return ""
