"""Translates filters to SQL for a local store; `rag.filters.matches` defines their meaning."""

from __future__ import annotations

from rag.filters import Clause, Condition, Filter, in_sql, is_date, is_number, of_documents, pages

_OWN = {"document": "d.id", "title": "d.title", "source": "d.source"}
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
        matching = f"SELECT row FROM documents d WHERE {condition}"
        return f"SELECT id FROM passages WHERE document IN ({matching})", values
    if page_range.last < page_range.first:
        return "SELECT id FROM passages WHERE 0", []
    # The first page starts with the text; the end of the last page is NULL.
    numbers = (page_range.first - 1, page_range.last)
    begin, beyond = (f"json_extract(d.pages, '$[{number}]')" for number in numbers)
    if page_range.first == 1:
        begin = "iif(json_array_length(d.pages), 0, NULL)"
    sql = f"""WITH spans AS MATERIALIZED
        (SELECT row, {begin} AS first, {beyond} AS beyond FROM documents d WHERE {condition})
        SELECT p.id FROM spans s JOIN passages p ON p.document = s.row
        WHERE p.end > s.first AND (s.beyond IS NULL OR p.start < s.beyond)"""
    return sql, values


def where(filter: Filter) -> Clause:
    """An expression over `documents d`, and its parameters. Ignores page conditions."""
    return in_sql(filter, _clause, "1")


def _clause(condition: Condition) -> Clause:
    key, op, value = condition.key, condition.op, condition.value
    if key == "source" and op == "=":
        folder = value.rstrip("/") + "/"
        return "(instr(d.id || '/', ?) = 1 OR instr(d.source || '/', ?) = 1)", [folder, folder]
    if key in _OWN:
        return (f"({_OWN[key]} = ?)", [value]) if op == "=" else _compares(_OWN[key], op, value)
    sql, values = "instr(', ' || value || ', ', ', ' || ? || ', ')", [value]
    if op != "=":
        sql, values = _compares("value", op, value)
    return _HAS.format(sql), [key, *values]


def _compares(column: str, op: str, value: str) -> Clause:
    cases, values = "", list[str]()
    if is_number(value):
        then = f"CAST({column} AS REAL) {op} CAST(? AS REAL)"
        cases += f" WHEN {_IS_NUMBER.format(column)} THEN {then}"
        values += [value]
    if is_date(value):
        then = f"substr({column}, 1, length(?)) {op} substr(?, 1, length({column}))"
        cases += f" WHEN {_IS_DATE.format(column)} THEN {then}"
        values += [value, value]
    return (f"(CASE{cases} ELSE 0 END)", values) if cases else ("(0)", [])
