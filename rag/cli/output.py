"""Prints a command's result: JSON, whole or some fields, or text without control characters."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from rag.errors import InputError
from rag.render.sanitize import clean, takes_all
from rag.types import plain

FIELDS = "rag.fields"
"""Key, in the context's `meta`, of the fields that --json names; () for all."""
MOST_SKIPPED = 20
"""Number of skipped files that a report lists."""


def show(value: Any, as_json: bool, text: Callable[[], str | Iterable[str]]) -> None:
    """Print `value` as JSON, or `text()`, a string or lines."""
    if as_json:
        print_json(value)
        return
    lines = text()
    for line in [lines] if isinstance(lines, str) else lines:
        click.echo(line)


def print_json(value: Any) -> None:
    """Print dataclasses, or containers of them, with their own field names. Raises InputError for
    a field that the value lacks.
    """
    fields: Sequence[str] = click.get_current_context().meta.get(FIELDS, ())
    chosen = pick(plain(value), fields)
    json.dump(chosen, sys.stdout, ensure_ascii=not takes_all(sys.stdout), indent=2)
    sys.stdout.write("\n")


def pick(value: Any, fields: Sequence[str]) -> Any:
    """The named fields of an object, or of each object of a list; everything without names."""
    if not fields:
        return value
    if isinstance(value, list):
        return [pick(item, fields) for item in value]
    if unknown := [name for name in fields if not isinstance(value, dict) or name not in value]:
        names = ", ".join(value) if isinstance(value, dict) else "none"
        raise InputError(f"the result has no field {unknown[0]!r}", f"its fields: {names}")
    return {name: value[name] for name in fields}


def clean_lines(text: str) -> str:
    """Remove control characters line by line, so that no document can control the terminal."""
    return "\n".join(clean(line) for line in text.split("\n"))


def counts(report: object, words: Sequence[str]) -> str:
    """How many documents of each kind a run had: "3 added, 1 skipped"."""
    return ", ".join(f"{count} {word}" for word in words if (count := len(getattr(report, word))))


def skipped_lines(skipped: Sequence[tuple[str, str]]) -> list[str]:
    """The skipped files with their reasons; the last line counts those left out."""
    lines = [f"  skipped {clean(path)}: {clean(why)}" for path, why in skipped[:MOST_SKIPPED]]
    more = len(skipped) - MOST_SKIPPED
    return [*lines, f"  and {more} more; --json lists all"] if more > 0 else lines


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
