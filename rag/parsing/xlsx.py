"""XLSX, through openpyxl: a table for each sheet; formulas have their saved values."""

import io
from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Any

import openpyxl

from rag.parsing.base import Parsed, Part, join
from rag.parsing.delimited import table_parts
from rag.parsing.metadata import core_metadata


def parse(content: bytes) -> Parsed:
    """Text, tables under the names of their sheets, and metadata. Hidden sheets are skipped."""
    book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
    return Parsed(*join(_parts(book)), core_metadata(book.properties))


def _parts(book: Any) -> Iterator[Part]:
    for sheet in book.worksheets:
        if sheet.sheet_state == "visible":
            sheet.reset_dimensions()  # it may claim to have seventeen billion cells
            yield Part(sheet.title, 1)
            yield from table_parts(
                [_cell(value) for value in row] for row in sheet.iter_rows(values_only=True)
            )


def _cell(value: Any) -> str:
    """A value as a person would write it: whole numbers without a point, dates without midnight."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return (
            value.date().isoformat() if value.time() == time() else value.isoformat(" ", "minutes")
        )
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    return value.isoformat() if isinstance(value, date | time) else str(value)
