"""Filters as SQL over the documents of a local store; `rag.filters.matches` says what they mean."""

from __future__ import annotations

from rag.filters import Condition, Filter, is_date, is_number

_OWN = {"document": "d.id", "title": "d.title"}
_HAS = "EXISTS (SELECT 1 FROM json_each(d.metadata) WHERE key = ? AND {})"
_IS_NUMBER = "CASE WHEN json_valid({0}) THEN json_type({0}) IN ('integer', 'real') END"
_IS_DATE = "({0} GLOB '[0-9][0-9][0-9][0-9]' OR {0} GLOB '[0-9][0-9][0-9][0-9]-*')"
Clause = tuple[str, list[str]]


def where(filter: Filter) -> Clause:
    """An expression over `documents d`, and the values of its parameters."""
    clauses = [_clause(condition) for condition in filter]
    return " AND ".join(["1", *(sql for sql, _ in clauses)]), [value for _, values in clauses for value in values]


def _clause(condition: Condition) -> Clause:
    key, op, value = condition.key, condition.op, condition.value
    if op == "!=":
        sql, values = _clause(Condition(key, "=", value))
        return f"NOT {sql}", values
    if op != "=":
        return _within(key, *_compares(_OWN.get(key, "d.source" if key == "source" else "value"), op, value))
    if key == "source":
        folder = value.rstrip("/") + "/"
        return "(instr(d.id || '/', ?) = 1 OR instr(d.source || '/', ?) = 1)", [folder, folder]
    if key in _OWN:
        return f"({_OWN[key]} = ?)", [value]
    return _within(key, "instr(', ' || value || ', ', ', ' || ? || ', ')", [value])


def _within(key: str, sql: str, values: list[str]) -> Clause:
    """A test of a column, or of the metadata's `value` under the key."""
    return (f"({sql})", values) if key in _OWN or key == "source" else (_HAS.format(sql), [key, *values])


def _compares(column: str, op: str, value: str) -> Clause:
    cases, values = "", list[str]()
    if is_number(value):
        cases += f" WHEN {_IS_NUMBER.format(column)} THEN CAST({column} AS REAL) {op} CAST(? AS REAL)"
        values += [value]
    if is_date(value):
        cases += f" WHEN {_IS_DATE.format(column)} THEN substr({column}, 1, length(?)) {op} substr(?, 1, length({column}))"
        values += [value, value]
    return (f"CASE{cases} ELSE 0 END", values) if cases else ("0", [])
