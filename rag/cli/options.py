"""Options that commands share, and how they print a result: as JSON, or as clean text."""

from __future__ import annotations

import functools
import json
import sys
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from rag.errors import InputError, writing_to
from rag.filters import parse
from rag.render.status import takes_all
from rag.settings import DEFAULT_COLLECTION, Settings
from rag.types import plain

FIELDS = "rag.fields"
"""Key, in the context's `meta`, of the fields that --json names, () for all; absent without it."""


def show(value: Any, text: str | Iterable[str]) -> None:
    """Print `value` as JSON if the command was given --json, else the text, or its lines."""
    if is_json():
        print_json(value)
        return
    for line in [text] if isinstance(text, str) else text:
        click.echo(line)


def is_json() -> bool:
    """Whether the running command was given --json."""
    return FIELDS in click.get_current_context().meta


def print_json(value: Any) -> None:
    """Print a value as JSON, whole or the named fields. Raises InputError for unknown ones."""
    fields: Sequence[str] = click.get_current_context().meta.get(FIELDS, ())
    chosen = pick(plain(value), fields)
    click.echo(json.dumps(chosen, ensure_ascii=not takes_all(sys.stdout), indent=2))


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


def stopped(state: str) -> NoReturn:
    """End a command that was interrupted; `state` says what it has done."""
    click.echo(f"rag: stopped; {state}; run it again to continue", err=True)
    sys.exit(130)


Command = Callable[..., Any]
_COLLECTION = "rag.collection"


def shared(command: Command) -> Command:
    """Add --index, --collection and --json. The command receives the collection's `settings`."""

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

    @click.option("--index", type=FILE, help="Index folder. Default: RAG_INDEX, or ./index.")
    @functools.wraps(command)
    def wrapped(index: Path | None, **values: Any) -> Any:
        return command(settings=Settings.load(index=index), **values)

    return json_option(wrapped)


def json_option(command: Command) -> Command:
    """Add --json, which `show` obeys."""

    def keep(context: click.Context, _: click.Parameter, fields: str | None) -> None:
        if fields is not None:
            names = (name.strip() for name in fields.split(","))
            context.meta[FIELDS] = tuple(filter(None, names))

    return click.option(
        "--json",
        is_flag=False,
        flag_value="",
        metavar="[FIELDS]",
        callback=keep,
        expose_value=False,
        help="Print JSON; with FIELDS, as in --json=text,confidence, only these.",
    )(command)


def only_local(settings: Settings, command: str, instead: str) -> None:
    """Raise InputError if the index is in a database, which has its own tools."""
    if settings.store != "local":
        raise InputError(
            f"{command} works with local indexes only, not with {settings.place}", instead
        )


def read_text(file: str) -> str:
    """The text of a file, or of stdin for "-". Raises InputError."""
    name = "stdin" if file == "-" else file
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = "give a text file, or - for stdin"
        raise InputError(f"{name} cannot be read: {error.strerror}", hint) from error
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8, or as plain text"
        raise InputError(f"{name} is not UTF-8 text: {error.reason}", hint) from error


def read_json(file: str) -> Any:
    """The JSON of a file, of a certificate's page, or of stdin. Raises InputError."""
    from rag.desk.certificate import load

    name = "stdin" if file == "-" else file
    if name == file and zipfile.is_zipfile(file):
        raise InputError(f"{file} is a bundle", "unpack it, then run in it: python3 verify.py")
    try:
        return load(read_text(file))
    except (ValueError, RecursionError) as error:
        hint = "give the output of `rag ask --json`"
        raise InputError(f"{name} is not JSON: {error}", hint) from error


def write_text(path: Path, text: str) -> None:
    """Raises InputError if the file cannot be written."""
    with writing_to(path, "choose another file"):
        path.write_text(text, encoding="utf-8")


def check_folder(path: Path | None) -> None:
    """Raises InputError for a file to write whose folder is missing, before the work begins."""
    if path and not path.resolve().parent.is_dir():
        message = f"{path} cannot be written: no such folder"
        raise InputError(message, "create it, or choose another file")


FILE = click.Path(path_type=Path)
flag = functools.partial(click.option, is_flag=True)
question_argument = click.argument(
    "question", nargs=-1, required=True, callback=lambda _, __, words: " ".join(words)
)
top_k_option = click.option(
    "-k",
    "--top-k",
    type=click.IntRange(1, 200),
    help="Number of passages to read. Default: RAG_TOP_K, or 8.",
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
