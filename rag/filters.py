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
from collections.abc import Callable, Collection, Iterable, Sequence
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
    groups: dict[str | int, list[Condition]] = {}
    for number, condition in enumerate(filter):
        is_choice = condition.op == "=" and condition.key in _ONE_OF
        group = condition.key if is_choice else number
        groups.setdefault(group, []).append(condition)
    return [tuple(conditions) for conditions in groups.values()]


Clause = tuple[str, list[Any]]
"""An expression in SQL, and its parameters."""


def in_sql(filter: Filter, clause: Callable[[Condition], Clause], always: str) -> Clause:
    """The filter in a store's dialect, in which `always` is true; `clause` never gets a "!="."""
    expressions = [always]
    values: list[Any] = []
    for group in alternatives(filter):
        choices = []
        for condition in group:
            if condition.op == "!=":
                sql, clause_values = clause(replace(condition, op="="))
                sql = f"NOT {sql}"
            else:
                sql, clause_values = clause(condition)
            choices.append(sql)
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
    key = _ALIASES.get(key, key)
    op = op.replace(":", "=")

    has_order = is_number(value) or is_date(value)
    if op in _ORDERS and not has_order:
        message = f"{text!r}: {value!r} is neither a number nor a date such as 2024-06-30"
        raise InputError(message, _HINT)
    if key == "type":
        value = value.lower().lstrip(".")
    return Condition(key, op, value)


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
            raise _no_such_key(condition, known)


def _no_such_key(condition: Condition, known: Sequence[str]) -> InputError:
    """The error that proposes a similar key, and lists the others."""
    key = condition.key[:100]
    in_filter = filter_text((condition,))[:200]
    message = f"no document has {key!r}, as in the filter {in_filter}"

    hint = f"the keys are: {', '.join(known[:_MOST_LISTED])}"
    unlisted = len(known) - _MOST_LISTED
    if unlisted > 0:
        hint += f" and {unlisted} more"
    similar = difflib.get_close_matches(condition.key, known, 1)
    if similar:
        hint = f"did you mean {similar[0]}? {hint}"
    return InputError(message, hint)


def matches(filter: Filter, document: Document) -> bool:
    """Whether the document meets every condition; a page condition holds if it has such a page."""
    page_range = pages(filter)
    if page_range is not None:
        last = min(page_range.last, len(document.pages))
        if page_range.first > last:
            return False

    for group in alternatives(of_documents(filter)):
        if not any(_is_met(condition, document) for condition in group):
            return False
    return True


class Pages(NamedTuple):
    """A range of pages from `first` (at least 1) to `last`, inclusive; empty if last < first."""

    first: int
    last: int


_LAST_PAGE = 10**9


def pages(filter: Filter) -> Pages | None:
    """Page range of a filter; None if it has no page condition."""
    conditions = [condition for condition in filter if condition.key == PAGE]
    if not conditions:
        return None

    first = 1
    last = _LAST_PAGE
    for condition in conditions:
        number = int(condition.value)
        if condition.op in ("=", ">="):
            first = max(first, number)
        if condition.op in ("=", "<="):
            last = min(last, number)
        if condition.op == ">":
            first = max(first, number + 1)
        if condition.op == "<":
            last = min(last, number - 1)
    return Pages(first, last)


def of_documents(filter: Filter) -> Filter:
    """The filter without its page conditions."""
    return tuple(condition for condition in filter if condition.key != PAGE)


def _is_met(condition: Condition, document: Document) -> bool:
    key = condition.key
    wanted = condition.value
    if condition.op == "!=":
        return not _is_met(Condition(key, "=", wanted), document)

    fields = {
        "document": document.id,
        "title": document.title,
        "source": document.source,
    }
    is_field = key in fields
    value = fields[key] if is_field else document.metadata.get(key)
    if value is None:
        return False
    if condition.op != "=":
        return _compares(value, condition.op, wanted)

    if key == "source":
        folder = wanted.rstrip("/") + "/"
        places = (document.id, document.source)
        return any(f"{place}/".startswith(folder) for place in places)
    if is_field:
        return value == wanted
    return f", {wanted}, " in f", {value}, "


def is_number(value: str) -> bool:
    return bool(_NUMBER.fullmatch(value))


def is_date(value: str) -> bool:
    return bool(_DATE.fullmatch(value))


def _compares(value: str, op: str, operand: str) -> bool:
    compare = _ORDERS[op]
    if is_number(value) and is_number(operand):
        return bool(compare(float(value), float(operand)))
    if is_date(value) and is_date(operand):
        # to the precision that both have
        return bool(compare(value[: len(operand)], operand[: len(value)]))
    return False


def filter_text(filter: Filter) -> str:
    """The conditions as typed on the command line."""
    texts = []
    for condition in filter:
        texts.append(f"{condition.key}{condition.op}{condition.value}")
    return ", ".join(texts)
