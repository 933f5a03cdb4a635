"""Translates filters to SQL for a local store; `rag.filters.matches` defines their meaning."""

from __future__ import annotations

from rag.filters import (
    Clause,
    Condition,
    Filter,
    in_sql,
    is_date,
    is_number,
    of_documents,
    pages,
)

_OWN = {"document": "d.id", "title": "d.title"}
_HAS = "EXISTS (SELECT 1 FROM json_each(d.metadata) WHERE key = ? AND {})"
_IS_NUMBER = "CASE WHEN json_valid({0}) THEN json_type({0}) IN ('integer', 'real') END"
_IS_DATE = "({0} GLOB '[0-9][0-9][0-9][0-9]' OR {0} GLOB '[0-9][0-9][0-9][0-9]-*')"


def passages(filter: Filter) -> Clause:
    """A query for the ids of matching passages, and its parameters."""
    if not filter:
        return "SELECT id FROM passages", []
    condition, values = where(of_documents(filter))
    page_range = pages(filter)
    if page_range is None:
        return (
            f"SELECT id FROM passages WHERE document IN (SELECT row FROM documents d WHERE "
            f"{condition})",
            values,
        )
    if page_range.last < page_range.first:
        return "SELECT id FROM passages WHERE 0", []
    # The first page starts with the text; the end of the last page is NULL.
    begin = (
        f"json_extract(d.pages, '$[{page_range.first - 1}]')"
        if page_range.first > 1
        else "iif(json_array_length(d.pages), 0, NULL)"
    )
    span = f"SELECT row, {begin} AS first, json_extract(d.pages, '$[{page_range.last}]') AS beyond"
    chosen = f"WITH spans AS MATERIALIZED ({span} FROM documents d WHERE {condition})"
    overlaps = "p.end > s.first AND (s.beyond IS NULL OR p.start < s.beyond)"
    return (
        f"{chosen} SELECT p.id FROM spans s JOIN passages p ON p.document = s.row WHERE {overlaps}",
        values,
    )


def where(filter: Filter) -> Clause:
    """An expression over `documents d`, and its parameters. Ignores page conditions."""
    return in_sql(filter, _clause, "1")


def _clause(condition: Condition) -> Clause:
    key, op, value = condition.key, condition.op, condition.value
    if op != "=":
        return _within(
            key, *_compares(_OWN.get(key, "d.source" if key == "source" else "value"), op, value)
        )
    if key == "source":
        folder = value.rstrip("/") + "/"
        return "(instr(d.id || '/', ?) = 1 OR instr(d.source || '/', ?) = 1)", [folder, folder]
    if key in _OWN:
        return f"({_OWN[key]} = ?)", [value]
    return _within(key, "instr(', ' || value || ', ', ', ' || ? || ', ')", [value])


def _within(key: str, sql: str, values: list[str]) -> Clause:
    """Test of a column, or of a metadata `value` under the key."""
    return (
        (f"({sql})", values)
        if key in _OWN or key == "source"
        else (_HAS.format(sql), [key, *values])
    )


def _compares(column: str, op: str, value: str) -> Clause:
    cases, values = "", list[str]()
    if is_number(value):
        cases += (
            f" WHEN {_IS_NUMBER.format(column)} THEN CAST({column} AS REAL) {op} CAST(? AS REAL)"
        )
        values += [value]
    if is_date(value):
        cases += (
            f" WHEN {_IS_DATE.format(column)} THEN substr({column}, 1, length(?)) {op} "
            f"substr(?, 1, length({column}))"
        )
        values += [value, value]
    return (f"CASE{cases} ELSE 0 END", values) if cases else ("0", [])
