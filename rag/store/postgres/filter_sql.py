"""Filters as SQL conditions on `rag_documents`; `rag.filters.matches` defines their meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rag.filters import Clause, Condition, Filter, in_sql, is_date, is_number

_OWN_COLUMNS = {"document": "id", "title": "named", "source": "source"}
_NUMBER = r"'^[ \t\r\n]*-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[ \t\r\n]*$'"
_DATE = r"'^[0-9]{4}(?:-.*)?$'"
_AS_NUMBER = (
    "CASE WHEN pg_input_is_valid({0}, 'float8') THEN {0}::float8 WHEN {0} ~ '[eE]-' THEN 0"
    " WHEN {0} ~ '-' THEN '-Infinity'::float8 ELSE 'Infinity'::float8 END"
)
"""PostgreSQL rejects numbers that are too large or small; to Python they are infinite or 0."""
_LONGEST_TAG = 400
"""Characters of an entry of the index over tags."""


def tags(metadata: Mapping[str, str]) -> list[str]:
    """Each metadata value with its key; values joined by ", " are split."""
    tags = []
    for key, value in metadata.items():
        tags += [_tag(key, part) for part in value.split(", ")]
    return tags


def _tag(key: str, part: str) -> str:
    """Cut to the maximum size of an index entry; the condition also checks the value itself."""
    return f"{key}={part}"[:_LONGEST_TAG]


def writable(text: str) -> str:
    """Replace NUL, which PostgreSQL's text cannot contain."""
    return text.replace("\0", "\ufffd")


def where_clause(filter: Filter) -> Clause:
    """A condition on `rag_documents`, and its values."""
    return in_sql(filter, _clause, "true")


def _clause(condition: Condition) -> Clause:
    """A condition as SQL, and its values."""
    key = writable(condition.key)
    value = writable(condition.value)
    if condition.op != "=":
        if key in _OWN_COLUMNS:
            return _compares(_OWN_COLUMNS[key], [], condition.op, value)
        return _compares("(metadata ->> %s)", [key], condition.op, value)

    if key == "source":
        folder = value.rstrip("/") + "/"
        return "(starts_with(id || '/', %s) OR starts_with(source || '/', %s))", [folder, folder]
    if key in _OWN_COLUMNS:
        return f"({_OWN_COLUMNS[key]} = %s)", [value]
    is_whole_value = "coalesce(position(%s IN ', ' || (metadata ->> %s) || ', ') > 0, false)"
    parts = [_tag(key, part) for part in value.split(", ")]
    return f"(tags @> %s::text[] AND {is_whole_value})", [parts, f", {value}, ", key]


def _compares(column: str, names: list[str], op: str, value: str) -> Clause:
    """A comparison of numbers or dates, else false; `names` are the parameters of `column`."""
    cases: list[str] = []
    values: list[Any] = []
    if is_number(value):
        number = _AS_NUMBER.format(column)
        cases.append(f"WHEN {column} ~ {_NUMBER} THEN ({number}) {op} %s::float8")
        column_count = 1 + number.count(column)
        values += names * column_count
        values.append(float(value))
    if is_date(value):
        comparison = f'left({column}, length(%s)) COLLATE "C" {op} left(%s, length({column}))'
        cases.append(f"WHEN {column} ~ {_DATE} THEN {comparison}")
        values += [*names * 2, value, value, *names]
    if not cases:
        return "false", []
    return f"(CASE {' '.join(cases)} ELSE false END)", values
