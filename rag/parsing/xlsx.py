"""XLSX, through openpyxl: a table for each sheet; formulas have their saved values."""

import io
import re
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import openpyxl

from rag.parsing.base import Parsed, Part, join
from rag.parsing.delimited import table_parts
from rag.parsing.metadata import core_metadata

_NOT_SHOWN = re.compile(r"\\.|_.|\*.|\[(?:Red|Blue|Green|Black|White|Color ?\d+)\]", re.IGNORECASE)
"""What a number format escapes, pads with, or colours."""
_NAMED_SIGN = re.compile(r"\[\$([^\[\]-]*+)[^\[\]]*+\]")
_SIGN = re.compile(r"[$\u20ac\u00a3\u00a5]")
_DECIMALS = re.compile(r"\.(0+)")


def parse(content: bytes) -> Parsed:
    """Text, tables under the names of their sheets, and metadata. Hidden sheets are skipped."""
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    return Parsed(*join(_parts(book)), core_metadata(book.properties))


def _parts(book: Any) -> Iterator[Part]:
    for sheet in book.worksheets:
        if sheet.sheet_state == "visible":
            sheet.reset_dimensions()  # it may claim to have seventeen billion cells
            yield Part(sheet.title, 1)
            yield from table_parts([_cell(cell) for cell in row] for row in sheet.iter_rows())


def _cell(cell: Any) -> str:
    """A value as a person would write it, with the currency or the per cent sign of its format."""
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        number_format = _NOT_SHOWN.sub("", cell.number_format.split(";")[0])
        decimals = len(match[1]) if (match := _DECIMALS.search(number_format)) else 0
        if "%" in number_format:
            return f"{100 * value:.{decimals}f}%"
        if sign := _SIGN.search(_NAMED_SIGN.sub(r"\1", number_format)):
            is_whole = round(value, decimals) == value
            amount = f"{abs(value):.{decimals}f}" if is_whole else _plain(abs(value))
            return f"{'-' if value < 0 else ''}{sign[0]}{amount}"
    return _plain(value)


def _plain(value: Any) -> str:
    """A value without its format: whole numbers without a point, dates without midnight."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return (
            value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
        )
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    return value.isoformat() if isinstance(value, date | time) else str(value)
