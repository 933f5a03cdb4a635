"""Files of gold and training sets: plain or gzipped text, JSON lines, and rows with a schema."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rag.errors import InputError

NonBlank = Annotated[str, Field(pattern=r"\S")]
_TYPES = {
    "string": "string",
    "list": "array",
    "int": "integer",
    "bool": "boolean",
    "model": "object",
    "dict": "object",
    "float": "number",
}


class StrictRow(BaseModel):
    """A row whose fields have exactly these types; others are errors."""

    model_config = ConfigDict(extra="forbid", strict=True)


FileRow = TypeVar("FileRow", bound=StrictRow)


@contextmanager
def reading(path: Path, kind: str, hint: str) -> Iterator[None]:
    """Turn errors of a truncated or another file into an InputError: it is not this `kind`."""
    try:
        yield
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError, AttributeError,
            RecursionError) as error:  # fmt: skip
        message = f"{path} is not {kind}: {type(error).__name__} {error}"
        raise InputError(message, hint) from error


def open_text(path: Path) -> IO[str]:
    """UTF-8 text, gzipped if the name ends in `.gz`."""
    opener: Callable[..., IO[str]] = gzip.open if path.suffix == ".gz" else open
    return opener(path, "rt", encoding="utf-8")


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSON Lines file. Raises the errors that `reading` turns into InputErrors."""
    with open_text(path) as file:
        yield from (json.loads(line) for line in file if line.strip())


def read_rows(path: Path, kind: type[FileRow], noun: str, hint: str) -> dict[str, FileRow]:
    """The rows of a JSON Lines file by their place: "FILE, line N". Raises InputError with `hint`
    that names the line, or for a file without rows, which `noun` names in the plural.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "save it as UTF-8 text") from error

    rows = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            place = f"{path}, line {number}"
            rows[place] = _row(place, line, kind, hint)
    if not rows:
        raise InputError(f"{path} contains no {noun}", hint)
    return rows


def _row(place: str, line: str, kind: type[FileRow], hint: str) -> FileRow:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: is not JSON ({error})", hint) from error
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise InputError(f"{place}: {_in_words(error.errors()[0], kind)}", hint) from error


def _in_words(error: Any, kind: type[BaseModel]) -> str:
    """The first problem of a row."""
    *outer_keys, key = error["loc"] or (None,)
    problem = error["type"]
    if problem == "missing":
        return f"{_name(outer_keys)} has no {key!r}"
    if problem == "extra_forbidden":
        known_fields = ""
        if not outer_keys:
            known_fields = f" (known: {', '.join(kind.model_fields)})"
        return f"{_name(outer_keys)} has an unknown field {key!r}{known_fields}"

    name = _name(error["loc"])
    if problem == "literal_error":
        expected = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return f"{name} is not one of {expected}"
    if problem == "string_pattern_mismatch":
        return f"{name} is empty"
    expected = _TYPES.get(problem.removesuffix("_type"))
    if expected:
        return f"{name} is not of type {expected}"
    return f"{name}: {error['msg']}"


def _name(place: Any) -> str:
    """Name of a place: 'form', item 2 of 'items', item 1 of item 2 of 'items', or "it"."""
    if not place:
        return "it"
    *outer_keys, key = place
    if isinstance(key, int):
        return f"item {key + 1} of {_name(outer_keys)}"
    return repr(key)
