"""Tab completion: commands, paths, documents, filters, and document titles within a question."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prompt_toolkit.completion import Completion

from rag.render.status import clean
from rag.repl.commands import COMMANDS, Command
from rag.types import Document

MOST = 50
_OWN = {"document": "id", "title": "title", "source": "source"}
"""Keys of filters that are fields of a document."""
_LAST_WORDS = 6
"""Number of words of a title that are completed together."""


def suggest(line: str, documents: Callable[[], Sequence[Document]]) -> Iterator[Completion]:
    """Completions of the line up to the cursor. `documents` is called only if needed."""
    line = line.lstrip()
    if not line.startswith("/"):
        yield from _titles(line, documents())
        return
    name, space, argument = line[1:].partition(" ")
    if not space:
        for command in _starting_with(name):
            yield Completion(f"/{command.name}", -len(line), display_meta=command.help)
    elif name in ("ingest", "save"):
        yield from _paths(argument)
    elif name in ("delete", "list"):
        yield from _documents(argument, documents())
    elif name == "filter":
        yield from _filters(argument, documents())
    elif name == "help":
        for command in _starting_with(argument):
            yield Completion(command.name, -len(argument), display_meta=command.help)


def _starting_with(start: str) -> list[Command]:
    return [command for command in COMMANDS.values() if command.name.startswith(start)]


def _titles(line: str, documents: Sequence[Document]) -> Iterator[Completion]:
    """Titles that match the last words, longest match first; a match may start inside a title."""
    line_start, *last_words = line.rsplit(maxsplit=_LAST_WORDS) or [""]
    words = line[len(line_start) :].lstrip() if len(last_words) == _LAST_WORDS else line
    words = words if words[-1:].strip() else ""
    while len(words) > 1:
        start = f" {words}".casefold()
        matches = [d for d in documents if start in f" {clean(d.title)}".casefold()]
        if matches:
            for d in matches[:MOST]:
                yield Completion(clean(d.title), -len(words), display_meta=clean(d.id))
            return
        words = words.partition(" ")[2].lstrip()


def _paths(typed: str) -> Iterator[Completion]:
    folder, slash, start = typed.rpartition("/")
    try:
        place = Path(folder + slash).expanduser() if slash else "."
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries[:1000]:
        is_hidden = entry.name.startswith(".") and not start
        if entry.name.startswith(start) and entry.name.isprintable() and not is_hidden:
            yield Completion(entry.name + ("/" if entry.is_dir() else ""), -len(start))


def _documents(typed: str, documents: Sequence[Document]) -> Iterator[Completion]:
    prefix = typed.casefold()
    matches = (d for d in documents if prefix in d.id.casefold() or prefix in d.title.casefold())
    for _, document in zip(range(MOST), matches, strict=False):
        yield Completion(clean(document.id), -len(typed), display_meta=clean(document.title))


def _filters(typed: str, documents: Sequence[Document]) -> Iterator[Completion]:
    key, equals, value = typed.partition("=")
    if not equals:
        keys = [f"{key}=" for key in (*_OWN, *(key for d in documents for key in d.metadata))]
        for name in dict.fromkeys([*keys, "off"]):
            if name.startswith(key):
                yield Completion(name, -len(typed))
        return
    field = _OWN.get(key)
    found = {getattr(d, field) if field else d.metadata.get(key, "") for d in documents}
    for name in sorted(found - {""})[:1000]:
        if name.startswith(value):
            yield Completion(clean(name), -len(value))
