"""Slash commands of the prompt."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rag.errors import InputError, StoreError
from rag.filters import OPERATORS, parse
from rag.repl import transcript
from rag.repl.screen import Screen
from rag.repl.session import Session, ShownPlace
from rag.repl.why import why
from rag.types import Document

SHOWN_DOCUMENTS = 40


@dataclass
class Context:
    """Context of a command. `open` shows a document at a place; `confirm` asks a yes/no
    question.
    """

    session: Session
    screen: Screen
    open: Callable[[Document, ShownPlace], None]
    confirm: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Command:
    """A command; `usage` describes its arguments, which `run` receives."""

    name: str
    usage: str
    help: str
    run: Callable[[Context, str], None]


def handle(desk: Context, line: str) -> None:
    """Run one line: a command or a question. Raises RagError, and EOFError for /quit."""
    line = line.strip()
    if line.startswith("/"):
        name, _, rest = line[1:].partition(" ")
        _known(name).run(desk, rest.strip())
    elif line:
        _ask(desk, line)


def _known(name: str) -> Command:
    name = _SHORT.get(name, name)
    if name in COMMANDS:
        return COMMANDS[name]
    near = difflib.get_close_matches(name, COMMANDS, 1) or [
        known for known in COMMANDS if name and known.startswith(name)
    ]
    raise InputError(
        f"no command /{name}",
        f"did you mean /{near[0]}?" if near else "list all commands with: /help",
    )


def _ask(desk: Context, line: str) -> None:
    understood = desk.session.understand(line)
    if understood.question != line and not desk.session.as_json:
        desk.screen.note(f"understood as: {understood.question}")
    if understood.note and not desk.session.as_json:
        desk.screen.note(understood.note)
    answer = desk.session.ask(line, understood.question)
    desk.screen.json(answer) if desk.session.as_json else desk.screen.answer(answer)


def _search(desk: Context, words: str) -> None:
    hits = desk.session.search(words, desk.session.read or 5)
    desk.screen.json(hits) if desk.session.as_json else desk.screen.hits(hits)


def _sources(desk: Context, number: str) -> None:
    shown = len(desk.session.places)
    if not shown:
        raise InputError("no sources have been shown yet", "ask a question, or /search WORDS")
    place, document = desk.session.place(_number(number or "1", 1, shown, "/sources 1"))
    if document is None:
        raise InputError(f"{place.document_id} is no longer in the index", "ask again")
    if document.text[place.start : place.end] != place.quote:
        raise InputError(f"{place.document_id} has changed since the answer", "ask again")
    desk.open(document, place)


def _why(desk: Context, _: str) -> None:
    if not desk.session.exchanges:
        raise InputError("no question has been asked yet", "ask a question")
    why(desk.screen, desk.session.exchanges[-1].answer)


def _docs(desk: Context, words: str) -> None:
    wanted = words.casefold().split()
    desk.session.service.store()  # raises if there is no index
    found = [
        d
        for d in desk.session.service.documents()
        if all(word in f"{d.id} {d.title}".casefold() for word in wanted)
    ]
    desk.screen.table([(d.id, d.title) for d in found[:SHOWN_DOCUMENTS]], ["", "dim"])
    if len(found) > SHOWN_DOCUMENTS:
        desk.screen.note(
            f"and {len(found) - SHOWN_DOCUMENTS:,} more; /docs WORDS shows matching ones"
        )
    elif not found:
        desk.screen.note(
            f"no document matches {words}"
            if words
            else "the index is empty; add documents with /ingest PATH"
        )


def _ingest(desk: Context, path: str) -> None:
    if not path:
        raise InputError("no path given", "give a file or folder: /ingest PATH")
    with desk.screen.progress() as progress:
        report = desk.session.service.ingest(Path(_unquoted(path)).expanduser(), progress)
    counts = [
        (len(report.added), "added"),
        (len(report.updated), "updated"),
        (len(report.unchanged), "unchanged"),
    ]
    desk.screen.note(
        ", ".join(
            f"{count:,} {word}"
            for count, word in [*counts, (len(report.skipped), "skipped")]
            if count
        )
    )
    for skipped, reason in report.skipped[:5]:
        desk.screen.note(f"skipped {skipped}: {reason}")
    if len(report.skipped) > 5:
        desk.screen.note(f"and {len(report.skipped) - 5:,} more were skipped")


def _delete(desk: Context, name: str) -> None:
    if not name:
        raise InputError("no document given", "give an id or a title: /delete DOCUMENT")
    document = desk.session.service.find(_unquoted(name))
    if not desk.confirm(f"Delete {document.id} ({document.title}) from the index?"):
        desk.screen.note("kept")
        return
    receipt = desk.session.service.delete(document.id)
    if receipt and not receipt.complete:
        raise StoreError(f"parts of {document.id} remain", "run: rag doctor")
    searched = (
        f"; {receipt.searches} searches for its passages no longer find it"
        if receipt and receipt.searches
        else ""
    )
    desk.screen.note(f"deleted {document.id}{searched}")


def _filter(desk: Context, text: str) -> None:
    if text in ("off", "none"):
        desk.session.filter = ()
    elif text:
        desk.session.filter += parse([text])
    shown = " and ".join(f"{c.key}{c.op}{c.value}" for c in desk.session.filter)
    desk.screen.note(
        f"only documents that match {shown}; /filter off for all" if shown else "all documents"
    )


def _k(desk: Context, number: str) -> None:
    if number:
        desk.session.read = _number(number, 1, 200, "/k 8")
    desk.screen.note(
        f"{desk.session.read or desk.session.service.settings.top_k} passages are read for a "
        f"question"
    )


def _json(desk: Context, _: str) -> None:
    desk.session.as_json = not desk.session.as_json
    desk.screen.note("answers as JSON" if desk.session.as_json else "answers to read")


def _save(desk: Context, path: str) -> None:
    if not path:
        raise InputError("no file given", "give a file: /save FILE.md")
    target = Path(_unquoted(path)).expanduser().resolve()
    own = str(target) == desk.session.saved
    if target.exists() and not own and desk.session.exchanges:
        if not desk.confirm(f"{target} exists already. Overwrite it?"):
            desk.screen.note("not saved")
            return
        own = True
    transcript.save(desk.session.exchanges, target, again=own)
    desk.session.saved = str(target)
    count = len(desk.session.exchanges)
    desk.screen.note(f"saved {count} question{'s' * (count > 1)} to {target}")


def _stats(desk: Context, _: str) -> None:
    stats = desk.session.service.store().stats()
    asked = desk.session.exchanges
    answered = sum(exchange.answer.text is not None for exchange in asked)
    typical = f", {desk.session.typical_seconds():.2f} s typically" if asked else ""
    rows = [
        ("index", desk.session.service.settings.place),
        ("documents", f"{stats.documents:,}"),
        ("passages", f"{stats.passages:,}"),
        ("generation", f"{stats.generation:,}"),
        ("embedder", f"{stats.embedder}, {stats.dim} dimensions"),
        ("asked", f"{len(asked)}, answered {answered}{typical}"),
    ]
    desk.screen.table(rows, ["dim"])


def _help(desk: Context, name: str) -> None:
    if name:
        chosen = [_known(name.removeprefix("/"))]
    else:
        chosen = list(COMMANDS.values())
        desk.screen.note('Type a question. Follow-up questions may say "it" or "and where?".')
    desk.screen.table(
        [(f"/{command.name} {command.usage}".strip(), command.help) for command in chosen], ["cyan"]
    )
    if not name:
        desk.screen.note(
            "Tab completes, Ctrl-R searches the history, Ctrl-C stops a question, Ctrl-D quits."
        )


def _quit(_: Context, __: str) -> None:
    raise EOFError


def _number(text: str, least: int, most: int, example: str) -> int:
    if not text.isdecimal() or not least <= int(text) <= most:
        wanted = f"a number from {least} to {most}" if most > least else str(least)
        raise InputError(f"{text!r} is not {wanted}", f"as in {example}")
    return int(text)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


_ALL = (
    Command("search", "WORDS", "show the passages that best match the words", _search),
    Command("sources", "[N]", "open a source of the last answer at the quote", _sources),
    Command("why", "", "explain the last answer, with scores and ranks", _why),
    Command("docs", "[WORDS]", "list the documents, or those that match the words", _docs),
    Command("ingest", "PATH", "add a file or folder to the index", _ingest),
    Command("delete", "DOCUMENT", "delete a document from the index", _delete),
    Command(
        "filter",
        "[KEY=VALUE|off]",
        f"search only matching documents ({' '.join(OPERATORS)})",
        _filter,
    ),
    Command("k", "[N]", "set the number of passages to read per question", _k),
    Command("json", "", "switch JSON output on or off", _json),
    Command("save", "FILE", "save the session as Markdown, with citations", _save),
    Command("stats", "", "show the size of the index and session statistics", _stats),
    Command("help", "[COMMAND]", "this", _help),
    Command("quit", "", "leave", _quit),
)
COMMANDS = {command.name: command for command in _ALL}
_SHORT = {"q": "quit", "exit": "quit", "?": "help", "h": "help", "source": "sources"}
