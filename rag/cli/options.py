"""Options that commands share: --index, --collection, --json and --filter; and how they print a
result: JSON, whole or some fields, or text without control characters.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from rag.errors import InputError
from rag.filters import parse
from rag.render.status import clean, takes_all
from rag.settings import DEFAULT_COLLECTION, Settings
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
    unlisted = len(skipped) - MOST_SKIPPED
    return [*lines, f"  and {unlisted} more; --json lists all"] if unlisted > 0 else lines


def quotes_lines(quotes: int) -> list[str]:
    """A line about deleted ratings and answers of threads, if there are any."""
    quotes_text = plural(quotes, "rating or answer")
    return [f"  {quotes_text} that quoted removed documents deleted"] if quotes else []


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


Command = Callable[..., Any]
_COLLECTION = "rag.collection"


def shared(command: Command) -> Command:
    """Add --index, --collection and --json. The command receives the collection's `settings` and
    `as_json`.
    """

    @click.option(
        "--collection",
        metavar="NAME",
        help="Collection to use. Default: RAG_COLLECTION, or the default collection.",
    )
    @functools.wraps(command)
    def wrapped(settings: Settings, collection: str | None, **values: Any) -> Any:
        chosen = settings.with_values("the command line", {"collection": collection})
        click.get_current_context().meta[_COLLECTION] = chosen.collection
        if chosen.collection != DEFAULT_COLLECTION:
            from rag.build import in_collection

            chosen = in_collection(chosen)
        return command(settings=chosen, **values)

    return shared_by_all(wrapped)


def collection_name() -> str:
    """The collection of the running command, which has `shared`."""
    return str(click.get_current_context().meta[_COLLECTION])


def shared_by_all(command: Command) -> Command:
    """Add --index and --json, for commands that concern all collections of an index."""

    @click.option(
        "--index",
        type=click.Path(path_type=Path),
        help="Index folder. Default: RAG_INDEX, or ./index.",
    )
    @functools.wraps(command)
    def wrapped(index: Path | None, **values: Any) -> Any:
        return command(settings=Settings.load(index=index), **values)

    return json_option(wrapped)


def json_option(command: Command) -> Command:
    """Add --json; the command receives `as_json`, and `print_json` prints the chosen fields."""

    @click.option(
        "--json",
        "json_fields",
        is_flag=False,
        flag_value="",
        metavar="[FIELDS]",
        help="Print JSON; with FIELDS, as in --json=text,confidence, only these.",
    )
    @functools.wraps(command)
    def wrapped(json_fields: str | None, **values: Any) -> Any:
        names = [name.strip() for name in (json_fields or "").split(",") if name.strip()]
        click.get_current_context().meta[FIELDS] = tuple(names)
        return command(as_json=json_fields is not None, **values)

    return wrapped


def only_local(settings: Settings, command: str, instead: str) -> None:
    """Raise InputError if the index is in a database, which has its own tools."""
    if settings.store != "local":
        raise InputError(
            f"{command} works with local indexes only, not with {settings.place}", instead
        )


filter_option = click.option(
    "--filter",
    "filter",
    multiple=True,
    callback=lambda _, __, values: parse(values),
    metavar="CONDITION",
    help=(
        "Only search documents that match, e.g. type=pdf, year>=2024, source:reports. "
        "Repeatable; all must match."
    ),
)
