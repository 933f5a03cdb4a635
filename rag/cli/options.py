"""Options that commands share: --index, --collection, --json and --filter."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rag.cli.output import FIELDS
from rag.errors import InputError
from rag.filters import parse
from rag.settings import DEFAULT_COLLECTION, Settings

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
