"""XLSX, through openpyxl: a table for each sheet; formulas have their saved values."""

import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import openpyxl

from rag.parsing.base import Parsed, Part, join
from rag.parsing.delimited import table_parts
from rag.parsing.metadata import MADE, core_metadata

_NOT_SHOWN = re.compile(r"\\.|_.|\*.|\[(?:Red|Blue|Green|Black|White|Color ?\d+)\]", re.IGNORECASE)
"""What a number format escapes, pads with, or colours."""
_NAMED_SIGN = re.compile(r"\[\$([^\[\]-]*+)[^\[\]]*+\]")
_SIGN = re.compile(r"[$\u20ac\u00a3\u00a5]")
_DECIMALS = re.compile(r"\.(0+)")


def parse(content: bytes) -> Parsed:
    """Text, tables under the names of their sheets, and metadata. Hidden sheets are skipped."""
    started = datetime.now(tz=UTC).replace(tzinfo=None)
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    metadata = core_metadata(book.properties)
    if book.properties.created >= started:  # openpyxl says now if the file does not say when
        metadata.pop(MADE, None)
    text, blocks = join(_parts(book))
    return Parsed(text, blocks, metadata)


def _parts(book: Any) -> Iterator[Part]:
    """The name and the tables of each sheet that is shown."""
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            continue
        sheet.reset_dimensions()  # it may claim to have seventeen billion cells
        yield Part(sheet.title, 1)
        yield from table_parts(_rows(sheet))


def _rows(sheet: Any) -> Iterator[list[str]]:
    """The rows of a sheet as text."""
    for row in sheet.iter_rows():
        yield [_cell(cell) for cell in row]


def _cell(cell: Any) -> str:
    """A value as a person would write it, with the currency or the per cent sign of its format."""
    value = cell.value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number:
        return _value_text(value)

    number_format = _NOT_SHOWN.sub("", cell.number_format.split(";")[0])
    zeros = _DECIMALS.search(number_format)
    decimals = len(zeros[1]) if zeros else 0
    if "%" in number_format:
        return f"{100 * value:.{decimals}f}%"

    currency = _SIGN.search(_NAMED_SIGN.sub(r"\1", number_format))
    if not currency:
        return _value_text(value)
    is_whole = round(value, decimals) == value
    amount = f"{abs(value):.{decimals}f}" if is_whole else _value_text(abs(value))
    minus = "-" if value < 0 else ""
    return f"{minus}{currency[0]}{amount}"


def _value_text(value: Any) -> str:
    """A value without its format: whole numbers without a point, dates without midnight."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        is_midnight = value.time() == time()
        if is_midnight:
            return value.date().isoformat()
        return value.isoformat(" ", "minutes")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        is_exact = value.is_integer() and abs(value) < 1e15
        return str(int(value)) if is_exact else f"{value:.12g}"
    return str(value)
