"""Tab completion: commands, paths, documents, filters, and document titles within a question."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from prompt_toolkit.completion import Completion

from rag.render.status import clean
from rag.repl.commands import COMMANDS, PromptCommand
from rag.types import Document

MOST_COMPLETIONS = 50
_DOCUMENT_FIELDS = {"document": "id", "title": "title", "source": "source"}
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
            yield _completion(f"/{command.name}", line, command.help)
    elif name in ("ingest", "save"):
        yield from _paths(argument)
    elif name in ("delete", "list"):
        yield from _documents(argument, documents())
    elif name == "filter":
        yield from _filters(argument, documents())
    elif name == "help":
        for command in _starting_with(argument):
            yield _completion(command.name, argument, command.help)


def _completion(text: str, typed: str, about: str = "") -> Completion:
    """A text in place of what was typed of it; the menu shows `about` beside it."""
    return Completion(
        text,
        start_position=-len(typed),
        display_meta=about or None,
    )


def _starting_with(start: str) -> list[PromptCommand]:
    return [command for command in COMMANDS.values() if command.name.startswith(start)]


def _titles(line: str, documents: Sequence[Document]) -> Iterator[Completion]:
    """Titles that match the last words, longest match first; a match may start inside a title."""
    words = _last_words(line)
    while len(words) > 1:
        start = f" {words}".casefold()
        matches = [
            document for document in documents if start in f" {clean(document.title)}".casefold()
        ]
        for document in matches[:MOST_COMPLETIONS]:
            yield _completion(
                clean(document.title),
                typed=words,
                about=clean(document.id),
            )
        if matches:
            return
        words = words.partition(" ")[2].lstrip()


def _last_words(line: str) -> str:
    """The end of the line that may be the start of a title; "" if it ends with a space."""
    if not line[-1:].strip():
        return ""

    line_start, *last_words = line.rsplit(maxsplit=_LAST_WORDS)
    if len(last_words) < _LAST_WORDS:
        return line
    return line[len(line_start) :].lstrip()


def _paths(typed: str) -> Iterator[Completion]:
    """Files and folders that begin as typed; hidden ones only if a part of their name is typed."""
    folder, slash, start = typed.rpartition("/")
    try:
        place = Path(folder + slash).expanduser() if slash else "."
        entries = sorted(os.scandir(place), key=lambda entry: entry.name)
    except OSError:
        return

    for entry in entries[:1000]:
        name = entry.name
        is_hidden = name.startswith(".") and not start
        if is_hidden or not name.startswith(start) or not name.isprintable():
            continue
        if entry.is_dir():
            name += "/"
        yield _completion(name, typed=start)


def _documents(typed: str, documents: Sequence[Document]) -> Iterator[Completion]:
    prefix = typed.casefold()
    count = 0
    for document in documents:
        in_id = prefix in document.id.casefold()
        if not in_id and prefix not in document.title.casefold():
            continue

        yield _completion(
            clean(document.id),
            typed=typed,
            about=clean(document.title),
        )
        count += 1
        if count == MOST_COMPLETIONS:
            return


def _filters(typed: str, documents: Sequence[Document]) -> Iterator[Completion]:
    """Keys of filters, or after a key and "=" the values that documents have."""
    key, equals, value_start = typed.partition("=")
    if not equals:
        for name in _filter_words(documents):
            if name.startswith(key):
                yield _completion(name, typed)
        return

    values = _values(key, documents)
    for value in sorted(values - {""})[:1000]:
        if value.startswith(value_start):
            yield _completion(clean(value), value_start)


def _filter_words(documents: Sequence[Document]) -> list[str]:
    """All keys with "=", each once, and the word that ends filtering."""
    keys = list(_DOCUMENT_FIELDS)
    for document in documents:
        keys.extend(document.metadata)

    words = [f"{key}=" for key in keys]
    return list(dict.fromkeys([*words, "off"]))


def _values(key: str, documents: Sequence[Document]) -> set[str]:
    """What documents have under a key, and "" where one has nothing."""
    field = _DOCUMENT_FIELDS.get(key)
    if field:
        return {getattr(document, field) for document in documents}
    return {document.metadata.get(key, "") for document in documents}
