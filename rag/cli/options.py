"""Options that commands share, and how they print a result: as JSON, or as clean text."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import os
import re
import sys
import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, Literal, NoReturn

import click

from rag.cli.parameters import Argument, Option
from rag.errors import InputError, writing_to
from rag.filters import parse
from rag.render.status import takes_all
from rag.settings import DEFAULT_COLLECTION, SCHEMES, Settings, is_address, public_address
from rag.types import plain


class LocalPath(click.Path):
    """A file or folder on this machine. An address is an error, and never a folder `https:`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As click.Path. Raises InputError for an address, and for a file that is missing or is a
        folder, if that is an error.
        """
        if isinstance(value, str) and is_address(value):
            name = "it" if param is None else param.get_error_hint(ctx)
            message = f"{name} takes a file or folder, and {public_address(value)} is an address"
            raise InputError(message, path_instead(value))
        if self.exists and not (value == "-" and self.allow_dash):
            if not os.path.exists(value):
                raise InputError(f"no such file: {value}", "check the path")
            if os.path.isdir(value) and not self.dir_okay:
                raise InputError(f"{value} is a folder, not a file", "name a file in it")
        return super().convert(value, param, ctx)


def path_instead(address: str) -> str:
    """What to do with an address that was given as a path."""
    if address.startswith("file://"):
        return f"give the path: {address.removeprefix('file://')}"
    if address.startswith(SCHEMES):
        return f"an index in PostgreSQL is a setting: RAG_STORE={public_address(address)}"
    if address.startswith(("http://", "https://")):
        return "give a path on this machine; a web page is added with: rag ingest URL"
    return "give a path on this machine"


FILE = LocalPath(path_type=Path)
_FIELDS = re.compile(r"[a-z_]+(,[a-z_]+)*")
FIELDS = "rag.fields"
"""Key, in the context's `meta`, of the fields that --json names, () for all; absent without it."""


def show(value: Any, text: str | Iterable[str], paged: bool = False) -> None:
    """Print `value` as JSON if the command was given --json, else the text, or its lines; `paged`
    text with the pager if it is longer than the terminal.
    """
    if is_json():
        print_json(value)
    elif not isinstance(text, str):
        for line in text:
            click.echo(line)
    elif paged and sys.stdout.isatty() and text.count("\n") + 2 > get_terminal_size().lines:
        os.environ.setdefault("LESS", "FRX")  # the text stays on the screen after the pager
        click.echo_via_pager(text + "\n")
    else:
        click.echo(text)


def is_json() -> bool:
    """Whether the running command was given --json."""
    return FIELDS in click.get_current_context().meta


def print_json(value: Any) -> None:
    """Print a value as JSON, whole or the named fields. Raises InputError for unknown ones."""
    chosen = pick(plain(value), _named_fields())
    click.echo(json.dumps(chosen, ensure_ascii=not takes_all(sys.stdout), indent=2))


def _named_fields() -> Sequence[str]:
    fields: Sequence[str] = click.get_current_context().meta.get(FIELDS, ())
    return fields


def pick(value: Any, fields: Sequence[str]) -> Any:
    """The named fields of an object, or of each object of a list; everything without names."""
    if not fields:
        return value
    if isinstance(value, list):
        return [pick(item, fields) for item in value]
    check_fields(fields, value if isinstance(value, dict) else ())
    return {name: value[name] for name in fields}


def check_fields(fields: Iterable[str], choices: Collection[str]) -> None:
    """Raises InputError for a field that a result does not have."""
    for name in fields:
        if name not in choices:
            known_fields = ", ".join(choices) or "none"
            raise InputError(f"the result has no field {name!r}", f"its fields: {known_fields}")


def field_names(kind: type) -> str:
    """The fields of a dataclass's JSON, as `command` takes them."""
    return " ".join(field.name for field in dataclasses.fields(kind) if field.compare)


def stopped(state: str) -> NoReturn:
    """End a command that was interrupted; `state` says what it has done."""
    click.echo(f"rag: stopped; {state}; run it again to continue", err=True)
    sys.exit(130)


def argument(**attributes: Any) -> Any:
    """An argument that is called like its parameter; one or more values for a tuple."""
    repeated = {"nargs": -1, "required": True}
    return lambda parameter: click.argument(
        parameter.name, cls=Argument, **_kind(parameter, repeated) | attributes
    )


def option(help: str, *names: str, **attributes: Any) -> Any:
    """An option of `names`, or called like its parameter: `--top-k` for `top_k`. It is a flag for a
    bool, and may be repeated for a tuple.
    """

    def declared(parameter: inspect.Parameter) -> Any:
        flags = names or (f"--{parameter.name.replace('_', '-')}",)
        kind = _kind(parameter, {"multiple": True}) | attributes
        return click.option(*flags, parameter.name, cls=Option, help=help, **kind)

    return declared


def _kind(parameter: inspect.Parameter, repeated: dict[str, Any]) -> dict[str, Any]:
    kinds: dict[str, dict[str, Any]]
    kinds = {"bool": {"is_flag": True}, "Path": {"type": FILE}, "tuple[str,": repeated}
    return kinds.get(parameter.annotation.partition(" ")[0], {})


QUESTION = argument(nargs=-1, required=True, callback=lambda _, __, words: " ".join(words))
TOP_K = option(
    "Number of passages to read. Default: RAG_TOP_K, or 8.",
    "-k",
    "--top-k",
    type=click.IntRange(1, 200),
)
FILTER = option(
    "Only search documents that match, e.g. type=pdf, year>=2024, source:reports. "
    "Repeatable; all must match.",
    multiple=True,
    callback=lambda _, __, values: parse(values),
    metavar="CONDITION",
)
_COLLECTION = "rag.collection"


def collection_name() -> str:
    """The collection that the running command works on."""
    return str(click.get_current_context().meta[_COLLECTION])


def _keep_fields(context: click.Context, _: click.Parameter, fields: str | None) -> None:
    if fields is not None:
        context.meta[FIELDS] = tuple(filter(None, map(str.strip, fields.split(","))))


_OPTIONS = (
    click.Option(
        ["--json"],
        is_flag=False,
        flag_value="",
        metavar="[FIELDS]",
        callback=_keep_fields,
        expose_value=False,
        help="Print JSON; with FIELDS, as in --json answer,confidence, only these.",
    ),
    Option(["--index"], type=FILE, help="Index folder. Default: RAG_INDEX, or ./index."),
    click.Option(
        ["--collection"],
        metavar="NAME",
        help="Collection to use. Default: RAG_COLLECTION, or the default collection.",
    ),
)


def with_json_fields(
    arguments: list[str], values: Callable[[list[str]], Sequence[str]], takes: int | None
) -> list[str]:
    """The arguments with `--json FIELDS` as `--json=FIELDS`.

    The word after --json may be a field or begin the question. `values` gives the words of
    arguments that are no options, and `takes` is how many the command has; None is any number. A
    word names a field if it has a comma, if the command already has all that it takes, after a
    question, or before one in quotation marks.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if "--json" not in arguments[:end]:
        return arguments
    place = arguments.index("--json")
    arguments_before, arguments_after = arguments[:place], arguments[place + 2 :]
    word = arguments[place + 1] if place + 1 < end else ""
    without_fields = [*arguments_before, "--json=", *arguments[place + 1 :]]
    if not _FIELDS.fullmatch(word):
        return without_fields
    command_words = values([*arguments_before, *arguments_after])
    is_field = (
        "," in word
        or (takes is not None and len(command_words) >= takes)
        or bool(values(arguments_before))
        or any(" " in command_word for command_word in command_words)
    )
    return [*arguments_before, f"--json={word}", *arguments_after] if is_field else without_fields


class Command(click.Command):
    """A command of rag. `fields` are those of its result, which --json may name, if they are known
    before it runs: of every command that changes or writes something.
    """

    fields: tuple[str, ...] = ()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        positional = [
            parameter for parameter in self.params if isinstance(parameter, click.Argument)
        ]
        takes = None if any(one.nargs < 0 for one in positional) else len(positional)

        def values(arguments: list[str]) -> list[str]:
            parsed, _, _ = self.make_parser(ctx).parse_args(list(arguments))
            words: list[str] = []
            for one in positional:
                value = parsed.get(str(one.name))
                words += (
                    [value] if isinstance(value, str) else value if isinstance(value, tuple) else []
                )
            return words

        try:
            return super().parse_args(ctx, with_json_fields(list(args), values, takes))
        except click.NoSuchOption as error:
            flags = [flag for parameter in self.params for flag in parameter.opts]
            if meant := _with_two_dashes(args, flags):
                message = f"an option is written with two dashes: {meant}"
                raise click.UsageError(message, ctx) from error
            raise


def _with_two_dashes(arguments: Sequence[str], flags: Collection[str]) -> str:
    """The option that an argument such as "-filter" or "-filter=type=pdf" means, or ""."""
    for word in arguments:
        name, _, _ = word.partition("=")
        if not name.startswith("--") and f"-{name}" in flags:
            return f"-{name}"
    return ""


def command(
    name: str,
    scope: Literal["none", "index", "collection"] = "collection",
    group: Any = click,
    fields: str = "",
) -> Callable[[Callable[..., None]], Command]:
    """A command of a group, or of its own, with --json, which `show` obeys. It receives the
    `settings` of a collection, with --index and --collection; or of an "index", for commands that
    concern all of its collections, with --index; or none. Its other parameters are its options and
    arguments, which their defaults declare; one without a default is an argument.

    `fields` are those of its result, with spaces between: --json with another one is refused before
    the command changes anything.
    """
    field_names = tuple(fields.split())

    def decorated(function: Callable[..., None]) -> Command:
        @functools.wraps(function)
        def run(**values: Any) -> None:
            if field_names:
                check_fields(_named_fields(), field_names)
            if scope != "none":
                settings = Settings.load(index=values.pop("index"))
                _check_index(settings)
                if scope == "collection":
                    settings = _in_collection(settings, values.pop("collection"))
                values["settings"] = settings
            function(**values)

        for parameter in reversed(list(inspect.signature(function).parameters.values())):
            if parameter.name != "settings":
                is_bare = parameter.default is parameter.empty
                run = (argument() if is_bare else parameter.default)(parameter)(run)
        made: Command = group.command(name, cls=Command)(run)
        made.fields = field_names
        made.params += _OPTIONS[: ("none", "index", "collection").index(scope) + 1]
        return made

    return decorated


def _check_index(settings: Settings) -> None:
    """Raise InputError if the index folder is a file."""
    if settings.index.is_file():
        message = f"the index folder {settings.index} is a file"
        raise InputError(message, "name a folder, which rag ingest creates: --index FOLDER")


def _in_collection(settings: Settings, collection: str | None) -> Settings:
    settings = settings.with_values("the options", {"collection": collection})
    click.get_current_context().meta[_COLLECTION] = settings.collection
    if settings.collection == DEFAULT_COLLECTION:
        return settings
    from rag.build import in_collection

    return in_collection(settings)


def only_local(settings: Settings, command: str, instead: str) -> None:
    """Raise InputError if the index is in a database, which has its own tools."""
    if settings.store != "local":
        message = f"{command} works with local indexes only, not with {settings.place}"
        raise InputError(message, instead)


def read_text(file: str) -> str:
    """The text of a file, or of stdin for "-". Raises InputError."""
    name = "stdin" if file == "-" else file
    if name == file and os.path.isdir(file):
        raise InputError(f"{file} is a folder, not a file", f"name its files: {file}/*")
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        hint = "give a text file, or - for stdin"
        raise InputError(f"{name} cannot be read: {error.strerror}", hint) from error
    except UnicodeDecodeError as error:
        hint = "save it as UTF-8, or as plain text"
        raise InputError(f"{name} is not UTF-8 text: {error.reason}", hint) from error


_AS_WRITTEN = frozenset("txt text log md markdown rst csv tsv json jsonl ndjson".split())
"""Suffixes of files whose text is checked as it is written."""


def text_of_file(file: str) -> str:
    """The text of a file in any format that rag reads, or of stdin for "-"; plain text and Markdown
    are left as they are. Raises InputError.
    """
    from rag.parsing.formats import FORMATS
    from rag.parsing.load import load_some
    from rag.parsing.pool import Pool

    suffix = Path(file).suffix.lower().removeprefix(".")
    if file == "-" or suffix not in FORMATS or suffix in _AS_WRITTEN:
        return read_text(file)
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        raise InputError(message, "give a file, or - for stdin") from error
    pool = Pool()
    try:
        loaded = load_some(file, content, pool.load_data)
    finally:
        pool.close()
    return "\n\n".join(document.text for document in loaded.documents)


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
