"""JSON and JSON Lines: each record is a group under its title, with long values, and the short ones
with their names on one line. Records of short values are the rows of a table.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rag.parsing.base import GAP, Parsed, ParseError, Part, group_part, join
from rag.parsing.tables import LabelledCell, TableText

_TITLES = ("title", "headline", "name", "subject", "label")
_BODIES = ("text", "body", "content", "contents", "abstract", "description", "summary", "article")
_METADATA = {
    **{name: name for name in ("title", "author", "date", "language")},
    "authors": "author",
    "lang": "language",
}
_LONGEST_VALUE = 160
"""Characters; longer values are paragraphs of their own."""


def parse(source: str) -> Parsed:
    """One value, or one per line. Raises ParseError if the source is neither."""
    try:
        value = json.loads(source)
    except json.JSONDecodeError as error:
        value = _lines(source, error)
    text, blocks = join(_records(value))
    return Parsed(text, blocks, _metadata(value))


def _metadata(value: Any) -> dict[str, str]:
    """What an object says about itself."""
    if not isinstance(value, dict):
        return {}
    metadata: dict[str, str] = {}
    for path, text in _scalars(value, ""):
        if path in _METADATA:
            metadata[_METADATA[path]] = text
    return metadata


def _lines(source: str, error: json.JSONDecodeError) -> list[Any]:
    """One value per line; if the first line is invalid, the file was meant to be one value."""
    values: list[Any] = []
    for number, line in enumerate(source.split("\n"), 1):
        if not line.strip():
            continue
        try:
            values.append(json.loads(line))
        except json.JSONDecodeError as wrong:
            if not values:
                raise ParseError(f"is not JSON: {error.msg} in line {error.lineno}") from error
            raise ParseError(f"is not JSON in line {number}: {wrong.msg}") from wrong
    return values


def _records(value: Any) -> Iterator[Part]:
    """The parts of a value: of a list, of an object or of a scalar."""
    if isinstance(value, list):
        yield from _records_of_list(value)
    elif isinstance(value, dict):
        yield from _records_of_object(value)
    else:
        yield Part(_scalar(value))


def _records_of_list(values: list[Any]) -> Iterator[Part]:
    """A list is a table, in which records with a title or long values are groups of their own."""
    table = _RecordTable()
    for number, item in enumerate(values, 1):
        record = _Record(item)
        name = f"record {number}"
        is_row = not record.title and not record.bodies
        if is_row:
            table.add(record.values, name)
            continue
        yield table.part()
        table = _RecordTable()
        yield record.part(name)
    yield table.part()


def _records_of_object(value: dict[str, Any]) -> Iterator[Part]:
    """The scalars of an object are one record, and each other value is another one, except a list
    of objects: that is a list of records below its key.
    """
    scalars: dict[str, Any] = {}
    other_values: dict[str, Any] = {}
    for key, item in value.items():
        if _is_scalar(item):
            scalars[key] = item
        else:
            other_values[key] = item

    yield _Record(scalars).part("")
    for key, item in other_values.items():
        if _has_objects(item):
            yield Part(str(key), 1)
            yield from _records(item)
        else:
            yield _Record(item).part(str(key))


def _has_objects(value: Any) -> bool:
    """Whether a value is a list with an object in it."""
    if not isinstance(value, list):
        return False
    return any(isinstance(item, dict) for item in value)


class _RecordTable:
    """Records as rows. Their columns are the paths of all values."""

    def __init__(self) -> None:
        self._table = TableText(separator=GAP)
        self._columns: dict[str, int] = {}

    def add(self, values: Sequence[tuple[str, str]], name: str = "") -> None:
        """Add a row of (path, text)."""
        cells: list[LabelledCell] = []
        for path, text in values:
            column = self._columns.setdefault(path, len(self._columns))
            cells.append((column, path, text))
        self._table.row(cells, name)

    def part(self) -> Part:
        self._table.names = list(self._columns)
        return self._table.part()


class _Record:
    """The scalars in a value: its title, its long texts, and the others, with their paths."""

    def __init__(self, value: Any) -> None:
        pairs = list(_scalars(value, ""))
        self.title = _title(pairs)
        self.bodies: list[tuple[str, str]] = []
        self.values: list[tuple[str, str]] = []
        for path, text in pairs:
            is_title = path in _TITLES and text == self.title
            if is_title:
                continue
            if len(text) > _LONGEST_VALUE or path in _BODIES:
                self.bodies.append((path, text))
            else:
                self.values.append((path, text))

    def part(self, name: str) -> Part:
        """The title, then the long texts, then the other values on one line."""
        parts = [Part(self.title)]
        for path, text in self.bodies:
            says_nothing = path in ("", *_BODIES)
            parts.append(Part(text if says_nothing else f"{path}: {text}"))

        table = _RecordTable()
        table.add(self.values)
        parts.append(table.part())
        return group_part(parts, self.title or name)


def _title(pairs: Sequence[tuple[str, str]]) -> str:
    """The short text of the first path that may have a title; "" without one."""
    texts: dict[str, str] = {}
    for path, text in pairs:
        if len(text) <= _LONGEST_VALUE:
            texts.setdefault(path, text)
    for path in _TITLES:
        if path in texts:
            return texts[path]
    return ""


def _scalars(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every scalar with its path, such as "author.name"; a list of scalars counts as one."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _scalars(item, _path_below(path, key))
        return

    items = value if isinstance(value, list) else [value]
    if not all(map(_is_scalar, items)):
        for number, item in enumerate(items, 1):
            yield from _scalars(item, _path_below(path, number))
        return

    text = ", ".join(filter(None, map(_scalar, items)))
    if text:
        yield path, text


def _path_below(path: str, key: object) -> str:
    """The path of a value in the one at `path`."""
    return f"{path}.{key}" if path else str(key)


def _is_scalar(value: Any) -> bool:
    """Whether a value contains no others."""
    return not isinstance(value, dict | list)


def _scalar(value: Any) -> str:
    """A scalar as text; "" for nothing."""
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return value.strip()
    return json.dumps(value)
