"""JSON and JSON Lines: each record is a group under its title, with long values, and the short ones
with their names on one line. Records of short values are the rows of a table.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rag.parsing.base import GAP, Parsed, ParseError, Part, group_part, join
from rag.parsing.tables import TableText

_TITLES = ("title", "headline", "name", "subject", "label")
_BODIES = ("text", "body", "content", "contents", "abstract", "description", "summary", "article")
_METADATA = {
    **{name: name for name in ("title", "author", "date", "language")},
    "authors": "author",
    "lang": "language",
}
_LONG = 160


def parse(source: str) -> Parsed:
    """One value, or one per line. Raises ParseError if the source is neither."""
    try:
        value = json.loads(source)
    except json.JSONDecodeError as error:
        value = _lines(source, error)
    pairs = _flat(value, "") if isinstance(value, dict) else ()
    metadata = {_METADATA[key]: text for key, text in pairs if key in _METADATA}
    return Parsed(*join(_records(value)), metadata)


def _lines(source: str, error: json.JSONDecodeError) -> list[Any]:
    """One value per line; if the first line is invalid, the file was meant to be one value."""
    values: list[Any] = []
    for number, line in enumerate(source.split("\n"), 1):
        try:
            values += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError as wrong:
            if not values:
                raise ParseError(f"is not JSON: {error.msg} in line {error.lineno}") from error
            raise ParseError(f"is not JSON in line {number}: {wrong.msg}") from wrong
    return values


def _records(value: Any) -> Iterator[Part]:
    """A list is a table, in which records with a title or long values are groups of their own."""
    if isinstance(value, list):
        table = _Table()
        for number, item in enumerate(value, 1):
            record = _Record(item)
            if record.title or record.bodies:
                yield table.part()
                table = _Table()
                yield record.part(f"record {number}")
            else:
                table.add(record.values, f"record {number}")
        yield table.part()
    elif isinstance(value, dict):
        scalars = {key: item for key, item in value.items() if not isinstance(item, dict | list)}
        yield _Record(scalars).part("")
        for key, item in value.items():
            if isinstance(item, list) and any(isinstance(part, dict) for part in item):
                yield Part(str(key), 1)
                yield from _records(item)
            elif isinstance(item, dict | list):
                yield _Record(item).part(str(key))
    else:
        yield Part(_scalar(value))


class _Table:
    """Records as rows. Their columns are the paths of all values."""

    def __init__(self) -> None:
        self._table = TableText(between=GAP)
        self._columns: dict[str, int] = {}

    def add(self, values: Sequence[tuple[str, str]], name: str = "") -> None:
        columns = self._columns
        self._table.row(
            [(columns.setdefault(path, len(columns)), path, text) for path, text in values], name
        )

    def part(self) -> Part:
        self._table.names = list(self._columns)
        return self._table.part()


class _Record:
    """The scalars in a value: its title, its long texts, and the others, with their paths."""

    def __init__(self, value: Any) -> None:
        pairs = list(_flat(value, ""))
        titles = {path: text for path, text in reversed(pairs) if len(text) <= _LONG}
        self.title = next((titles[key] for key in _TITLES if key in titles), "")
        pairs = [(p, text) for p, text in pairs if not (p in _TITLES and text == self.title)]
        self.bodies = [(p, text) for p, text in pairs if len(text) > _LONG or p in _BODIES]
        self.values = [pair for pair in pairs if pair not in self.bodies]

    def part(self, name: str) -> Part:
        """The title, then the long texts, then the other values on one line."""
        bodies = [t if path in ("", *_BODIES) else f"{path}: {t}" for path, t in self.bodies]
        table = _Table()
        table.add(self.values)
        parts = [*map(Part, [self.title, *bodies]), table.part()]
        return group_part(parts, self.title or name)


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every scalar with its path, such as "author.name"; a list of scalars counts as one."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, item in enumerate(value, 1):
            yield from _flat(item, f"{path}.{number}" if path else str(number))
    else:
        items = value if isinstance(value, list) else [value]
        if text := ", ".join(filter(None, map(_scalar, items))):
            yield path, text


def _scalar(value: Any) -> str:
    if value is None or value == "":
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)
