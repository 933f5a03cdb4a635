"""JSON and JSON Lines: each record is a section under its title, with short values on one line with
their names, and long ones below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rag.parsing.base import Block, ParseError, join
from rag.types import Section

_TITLES = ("title", "headline", "name", "subject", "label")
_BODIES = ("text", "body", "content", "contents", "abstract", "description", "summary", "article")
_METADATA = {
    "title": "title",
    "author": "author",
    "authors": "author",
    "date": "date",
    "language": "language",
    "lang": "language",
}
_LONG = 160


def parse(source: str) -> tuple[str, tuple[Section, ...], dict[str, str]]:
    """(text, sections, metadata) of one value, or of one per line. Raises ParseError if it is
    neither.
    """
    try:
        value = json.loads(source)
    except json.JSONDecodeError as error:
        value = _lines(source, error)
    if isinstance(value, dict) and not any(
        isinstance(item, dict | list) and item for item in value.values()
    ):
        return *join(_record(value, "")), _metadata(value)
    return *join(_records(value)), _metadata(value)


def _lines(source: str, error: json.JSONDecodeError) -> list[Any]:
    """One value per line; if the first line is invalid, the whole file was meant to be one
    value.
    """
    values: list[Any] = []
    for number, line in enumerate(source.split("\n"), 1):
        try:
            values += [json.loads(line)] if line.strip() else []
        except json.JSONDecodeError as wrong:
            if not values:
                raise ParseError(f"is not JSON: {error.msg} in line {error.lineno}") from error
            raise ParseError(f"is not JSON in line {number}: {wrong.msg}") from wrong
    return values


def _records(value: Any) -> Iterator[Block]:
    if isinstance(value, list):
        for number, item in enumerate(value, 1):
            yield from _record(item, f"record {number}")
    elif isinstance(value, dict):
        yield from _record(
            {key: item for key, item in value.items() if not isinstance(item, dict | list)}, ""
        )
        for key, item in value.items():
            if isinstance(item, list) and any(isinstance(part, dict) for part in item):
                yield Block(str(key), 1)
                yield from _records(item)
            elif isinstance(item, dict | list):
                yield from _record(item, str(key))
    else:
        yield Block(_scalar(value))


def _record(value: Any, name: str) -> Iterator[Block]:
    """A record's title, then its text, then its other values."""
    pairs = list(_flat(value, ""))
    title = next(
        (text for key in _TITLES for path, text in pairs if path == key and len(text) <= _LONG), ""
    )
    rest = [(path, text) for path, text in pairs if not (path in _TITLES and text == title)]
    section = title or name
    if title:
        yield Block(title, section=title)
    bodies = [(path, text) for path, text in rest if len(text) > _LONG or path in _BODIES]
    for path, text in bodies:
        label = "" if path in _BODIES or not path else f"{path}: "
        yield Block(label + text, section="" if title else section)
        title = title or section
    short = " | ".join(
        f"{path}: {text}" if path else text for path, text in rest if (path, text) not in bodies
    )
    yield Block(short, section="" if title else section)


def _flat(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every scalar with its path, such as "author.name"; a list of scalars counts as one."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        for number, item in enumerate(value, 1):
            yield from _flat(item, f"{path}.{number}" if path else str(number))
    else:
        text = (
            ", ".join(filter(None, map(_scalar, value)))
            if isinstance(value, list)
            else _scalar(value)
        )
        if text:
            yield path, text


def _scalar(value: Any) -> str:
    if value is None or value == "":
        return ""
    return value.strip() if isinstance(value, str) else json.dumps(value)


def _metadata(value: Any) -> dict[str, str]:
    """Metadata of a single record."""
    if not isinstance(value, dict):
        return {}
    return {_METADATA[key]: text for key, text in _flat(value, "") if key in _METADATA}
