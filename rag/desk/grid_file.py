"""A grid's definition, from a TOML file or the API; `rag grid --help` shows a file."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rag.errors import InputError
from rag.filters import parse
from rag.query import check_question
from rag.settings import Settings

TYPES = ("text", "date", "amount", "number", "yes_no", "list")
ROWS = ("documents", "folders", "none")
BY_METADATA = "metadata:"
REFRESHES = ("", "on_sync")
MOST_COLUMNS = 100
_NAME = re.compile(r"[\w][\w .-]{0,99}")
_LONGEST_COLUMN = 100
_HINT = "rag grid --help shows a grid file"


@dataclass(frozen=True, slots=True)
class GridColumn:
    """A question to every row. `type` is one of `TYPES`; "text" takes any answer."""

    name: str
    question: str
    type: str = "text"


@dataclass(frozen=True, slots=True)
class GridSpec:
    """`rows` is one of `ROWS`, or `BY_METADATA` and a key; `filter` has unparsed conditions."""

    name: str
    columns: tuple[GridColumn, ...]
    filter: tuple[str, ...] = ()
    rows: str = "documents"
    all_documents: bool = False
    refresh: str = ""

    def column(self, name: str) -> GridColumn:
        """The column with this name. Raises InputError."""
        for column in self.columns:
            if column.name == name:
                return column
        names = ", ".join(column.name for column in self.columns)
        raise InputError(f"grid {self.name} has no column {name[:100]!r}", f"its columns: {names}")


def load(path: Path) -> GridSpec:
    """Read a grid file. Raises InputError."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        hint = f"check the path; {_HINT}, and rag grid refresh NAME asks a grid again"
        raise InputError(f"grid file {path}: {error.strerror}", hint) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"grid file {path} is not TOML: {error}", _HINT) from error
    return definition({"name": path.stem, **values}, str(path))


def definition(values: Mapping[str, Any], place: str) -> GridSpec:
    """Check the values of a definition; `place` names where they are from. Raises InputError."""
    _check_keys(values, GridSpec, place)
    name = _name(values.get("name"), place)
    columns = _columns(values.get("columns"), place)
    conditions = _conditions(values.get("filter", ()), place)

    all_documents = values.get("all_documents", False)
    if not isinstance(all_documents, bool):
        message = f"{place}: all_documents is {str(all_documents)[:50]!r}"
        raise InputError(message, "write true or false")

    asked = []
    for number, column in enumerate(columns, 1):
        asked.append(_column(column, f"{place}, column {number}"))
    rows = _rows(values.get("rows", "documents"), place)
    refresh = _choice(values.get("refresh", ""), REFRESHES, f"{place}: refresh")
    if rows == "none" and not all_documents:
        raise InputError(f"{place} has no rows", 'set rows = "documents", or all_documents = true')

    names: set[str] = set()
    for asked_column in asked:
        folded = asked_column.name.casefold()
        if folded in names:
            message = f"{place} has two columns called {asked_column.name!r}"
            raise InputError(message, "rename one")
        names.add(folded)
    return GridSpec(
        name,
        tuple(asked),
        filter=conditions,
        rows=rows,
        all_documents=all_documents,
        refresh=refresh,
    )


def _name(name: Any, place: str) -> str:
    """The name of a grid. Raises InputError."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    message = f"{place}: {str(name)[:100]!r} is not a grid's name"
    raise InputError(message, "use up to 100 letters, digits, spaces, and . - _")


def _columns(columns: Any, place: str) -> Sequence[Any]:
    """The columns, not checked themselves."""
    if not isinstance(columns, (list, tuple)) or not columns:
        raise InputError(f"{place} has no columns", f"add a table [[columns]]; {_HINT}")
    if len(columns) > MOST_COLUMNS:
        message = f"{place} has {len(columns):,} columns, at most {MOST_COLUMNS} are possible"
        raise InputError(message, "divide it into several grids")
    return columns


def _conditions(conditions: Any, place: str) -> tuple[str, ...]:
    """The conditions of the filter, which can be parsed; one alone needs no list."""
    if isinstance(conditions, str):
        conditions = (conditions,)
    is_list = isinstance(conditions, (list, tuple))
    if not is_list or not all(isinstance(condition, str) for condition in conditions):
        raise InputError(f"{place}: filter is not a list of conditions", 'e.g. ["source:leases"]')
    parse(conditions)
    return tuple(conditions)


def _rows(rows: Any, place: str) -> str:
    """What the rows of a grid are. Raises InputError."""
    is_by_metadata = isinstance(rows, str) and rows.startswith(BY_METADATA)
    if is_by_metadata and rows != BY_METADATA:
        return str(rows)
    return _choice(rows, (*ROWS, f"{BY_METADATA}KEY"), f"{place}: rows")


def _column(values: Any, place: str) -> GridColumn:
    """Check the values of a column. Raises InputError."""
    if not isinstance(values, Mapping):
        raise InputError(f"{place} is not a table", _HINT)
    _check_keys(values, GridColumn, place)

    name = values.get("name")
    if not isinstance(name, str) or not 0 < len(name.strip()) <= _LONGEST_COLUMN:
        raise InputError(f"{place} has no name of 1 to {_LONGEST_COLUMN} characters", _HINT)

    question = values.get("question")
    if not isinstance(question, str) or not question.strip():
        raise InputError(f"{place} ({name}) has no question", _HINT)

    kind = _choice(values.get("type", "text"), TYPES, f"{place} ({name}): type")
    try:
        checked_question = check_question(question, Settings.max_question)
    except InputError as error:
        raise InputError(f"{place} ({name}): {error.message}", error.hint) from error
    return GridColumn(name.strip(), checked_question, kind)


def _choice(value: Any, choices: Iterable[str], place: str) -> str:
    """The value, if it is one of the choices. Raises InputError."""
    if isinstance(value, str) and value in choices:
        return value
    names = ", ".join(choice for choice in choices if choice)
    raise InputError(f"{place} is {str(value)[:100]!r}", f"choose one of: {names}")


def _check_keys(values: Mapping[str, Any], kind: type, place: str) -> None:
    """Raises InputError for a key that the dataclass `kind` has no field for."""
    names = [field.name for field in fields(kind)]
    for key in values:
        if key in names:
            continue
        hint = f"it may have: {', '.join(names)}"
        similar_names = difflib.get_close_matches(key, names, 1)
        if similar_names:
            hint = f"did you mean {similar_names[0]}?"
        raise InputError(f"{place} has an unknown key {key[:100]!r}", hint)
