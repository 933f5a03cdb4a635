"""Filters that a caller writes: conditions on a document's fields and metadata. None is inferred
from a question's words; `rag.retrieval` prefers documents that these name.

    type=pdf  author!=Ada  year>=2024  date<2024-06  source:reports/2024  document=seeds/jcpoa.md

The keys "document" (the id), "title" and "source" are fields of a document. "page" (page=3,
page>=2) selects the passages with text on such a page. All other keys are metadata. Of several
`source=` conditions one must hold, likewise of `document=`: source=a source=b selects both folders.
`matches` defines the meaning of a filter; stores translate it to SQL, and tests compare them.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from rag.errors import InputError
from rag.types import Document

_CONDITION = re.compile(r"([^=!<>:]+)(!=|<=|>=|=|<|>|:)(.*)", re.DOTALL)
_NUMBER = re.compile(r"[ \t\r\n]*-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[ \t\r\n]*")
"""A number in JSON's syntax, which all stores can recognise."""
_DATE = re.compile(r"[0-9]{4}(?:-.*)?", re.DOTALL)
_PAGE = re.compile(r"[0-9]{1,9}")
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
OPERATORS = ("=", "!=", *_ORDERS)
PAGE = "page"
_ALIASES = {"path": "source", "id": "document"}
KEYS = ("document", "title", "source", "page", "type")
"""Keys that every index has."""
_MOST_LISTED = 40
"""Number of keys that an error lists."""
_HINT = "write a condition as type=pdf, author!=Ada, year>=2024, date<2024-06 or source:reports"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on `key`; `op` is one of = != < <= > >=.

    `=` matches the whole value, or one of several values separated by ", "; for "source" also a
    parent folder, as a path or as a prefix of the document's id. `!=` is the negation of `=`, so it
    matches documents without the key. The others compare numbers, or dates (YYYY, YYYY-MM,
    YYYY-MM-DD…) to the precision that both have; they match no other values.
    """

    key: str
    op: str
    value: str

    def __post_init__(self) -> None:
        if self.op not in OPERATORS:
            raise InputError(f"{self.op!r} is not a filter operator", _HINT)
        if self.key == PAGE and (self.op == "!=" or not _PAGE.fullmatch(self.value)):
            hint = "write page=3, page>=2 or page<10, with a number"
            raise InputError(f"page{self.op}{self.value} is not a page filter", hint)


Filter = tuple[Condition, ...]
"""Conditions that must all match, or one of each group of `alternatives`; () matches everything."""
_ONE_OF = ("document", "source")


def alternatives(filter: Filter) -> list[Filter]:
    """The filter as groups; in each group at least one condition must match."""
    groups: dict[str | int, Filter] = {}
    for number, condition in enumerate(filter):
        chooses = condition.op == "=" and condition.key in _ONE_OF
        group = condition.key if chooses else number
        groups[group] = (*groups.get(group, ()), condition)
    return list(groups.values())


Clause = tuple[str, list[Any]]
"""An expression in SQL, and its parameters."""


def in_sql(filter: Filter, clause: Callable[[Condition], Clause], always: str) -> Clause:
    """The filter in a store's dialect, in which `always` is true; `clause` never gets a "!="."""
    expressions, values = [always], list[Any]()
    for group in alternatives(filter):
        choices = []
        for condition in group:
            is_denied = condition.op == "!="
            sql, clause_values = clause(replace(condition, op="=") if is_denied else condition)
            choices.append(f"NOT {sql}" if is_denied else sql)
            values += clause_values
        expressions.append(f"({' OR '.join(choices)})")
    return " AND ".join(expressions), values


def parse(texts: Iterable[str]) -> Filter:
    """Parse conditions such as "type=pdf"; ":" means "=". Raises InputError."""
    return tuple(_condition(text) for text in texts)


def _condition(text: str) -> Condition:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        escaped = text.encode("utf-8", "backslashreplace").decode()
        raise InputError(f"the filter {escaped} is not valid UTF-8", _HINT) from error
    match = _CONDITION.fullmatch(text)
    if not match or not match.group(1).strip():
        raise InputError(f"{text!r} is not a filter", _HINT)
    key, op, value = (part.strip() for part in match.groups())
    key, op = _ALIASES.get(key, key), op.replace(":", "=")
    if op not in ("=", "!=") and not (is_number(value) or is_date(value)):
        message = f"{text!r}: {value!r} is neither a number nor a date such as 2024-06-30"
        raise InputError(message, _HINT)
    return Condition(key, op, value.lower().lstrip(".") if key == "type" else value)


def check_keys(filter: Filter, metadata_keys: Callable[[], Collection[str]]) -> None:
    """Raise InputError for a key that no document of an index has: a misspelt one would match
    nothing, or with "!=" everything. `metadata_keys` gives those of its documents.
    """
    unknown = [condition for condition in filter if condition.key not in KEYS]
    if not unknown:
        return
    known = sorted({*KEYS, *metadata_keys()})
    for condition in unknown:
        if condition.key not in known:
            similar = difflib.get_close_matches(condition.key, known, 1)
            guess = f"did you mean {similar[0]}? " if similar else ""
            rest = f" and {len(known) - _MOST_LISTED} more" if len(known) > _MOST_LISTED else ""
            names = f"{', '.join(known[:_MOST_LISTED])}{rest}"
            raise InputError(
                f"no document has {condition.key[:100]!r}, as in the filter "
                f"{shown((condition,))[:200]}",
                f"{guess}the keys are: {names}",
            )


def matches(filter: Filter, document: Document) -> bool:
    """Whether the document meets every condition; a page condition holds if it has such a page."""
    page_range = pages(filter)
    has_page = page_range is None or page_range.first <= min(page_range.last, len(document.pages))
    groups = alternatives(of_documents(filter))
    return has_page and all(any(_holds(part, document) for part in group) for group in groups)


class Pages(NamedTuple):
    """A range of pages from `first` (at least 1) to `last`, inclusive; empty if last < first."""

    first: int
    last: int


_LAST_PAGE = 10**9


def pages(filter: Filter) -> Pages | None:
    """Page range of a filter; None if it has no page condition."""
    bounds = [(condition.op, int(condition.value)) for condition in filter if condition.key == PAGE]
    if not bounds:
        return None
    minimums = [number + (op == ">") for op, number in bounds if ">" in op or op == "="]
    maximums = [number - (op == "<") for op, number in bounds if "<" in op or op == "="]
    return Pages(max([1, *minimums]), min([_LAST_PAGE, *maximums]))


def of_documents(filter: Filter) -> Filter:
    """The filter without its page conditions."""
    return tuple(condition for condition in filter if condition.key != PAGE)


def _holds(condition: Condition, document: Document) -> bool:
    if condition.op == "!=":
        return not _holds(Condition(condition.key, "=", condition.value), document)
    fields = {"document": document.id, "title": document.title, "source": document.source}
    value = (
        fields[condition.key] if condition.key in fields else document.metadata.get(condition.key)
    )
    if value is None:
        return False
    if condition.op != "=":
        return _compares(value, condition.op, condition.value)
    if condition.key == "source":
        folder = condition.value.rstrip("/") + "/"
        return any(f"{place}/".startswith(folder) for place in (document.id, document.source))
    if condition.key in fields:
        return value == condition.value
    return f", {condition.value}, " in f", {value}, "


def is_number(value: str) -> bool:
    return bool(_NUMBER.fullmatch(value))


def is_date(value: str) -> bool:
    return bool(_DATE.fullmatch(value))


def _compares(value: str, op: str, operand: str) -> bool:
    if is_number(value) and is_number(operand):
        return bool(_ORDERS[op](float(value), float(operand)))
    if is_date(value) and is_date(operand):
        return bool(_ORDERS[op](value[: len(operand)], operand[: len(value)]))
    return False


def shown(filter: Filter) -> str:
    """The conditions as typed on the command line."""
    return ", ".join(f"{condition.key}{condition.op}{condition.value}" for condition in filter)
