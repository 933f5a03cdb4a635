"""What all commands share: --index and --json, and errors as one message and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rag.filters import parse
from rag.settings import Settings
from rag.store.collections import in_collection

Command = Callable[..., Any]


def shared(command: Command) -> Command:
    """Adds --index, --collection and --json; the command gets `settings`, those of the collection,
    and `as_json`.
    """

    @click.option(
        "--collection",
        metavar="NAME",
        help="Collection of the index; by default RAG_COLLECTION, or the index itself.",
    )
    @functools.wraps(command)
    def wrapped(settings: Settings, collection: str | None, **values: Any) -> Any:
        chosen = settings.with_values("the command line", {"collection": collection})
        return command(settings=in_collection(chosen), **values)

    return shared_by_all(wrapped)


def shared_by_all(command: Command) -> Command:
    """Adds --index and --json, for what concerns an index with all its collections."""

    @click.option(
        "--index",
        type=click.Path(path_type=Path),
        help="Folder of the index; by default RAG_INDEX, or ./index.",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @functools.wraps(command)
    def wrapped(index: Path | None, as_json: bool, **values: Any) -> Any:
        return command(settings=Settings.load(index=index), as_json=as_json, **values)

    return wrapped


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
