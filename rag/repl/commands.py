"""The prompt's commands, which begin with a slash: /search, /sources, /why and others."""

from __future__ import annotations

import difflib
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rag.errors import InputError, StoreError
from rag.filters import OPERATORS, check_keys, parse
from rag.ingestion.find_document import find_document
from rag.ingestion.progress import IngestProgress
from rag.render.status import plural
from rag.repl import transcript
from rag.repl.screen import Screen
from rag.repl.session import ReplSession
from rag.types import Citation, Document

SHOWN_DOCUMENTS = 40


@dataclass
class Context:
    """What a command works on. `open` shows a document at a place; `confirm` asks yes or no."""

    session: ReplSession
    screen: Screen
    open: Callable[[Document, Citation], None]
    confirm: Callable[[str], bool]


class Command(NamedTuple):
    """A command; `usage` describes the arguments that `run` receives."""

    name: str
    usage: str
    help: str
    run: Callable[[Context, str], None]


def handle(context: Context, line: str) -> None:
    """Run one line: a command or a question. Raises RagError, and EOFError for /quit."""
    line = line.strip()
    if line.casefold() in ("exit", "quit"):
        raise EOFError
    if line.startswith("/"):
        name, _, argument = line[1:].partition(" ")
        _command(name).run(context, argument.strip())
    elif line:
        _ask(context, line)


def _command(name: str) -> Command:
    name = _SHORT.get(name, name)
    if name in COMMANDS:
        return COMMANDS[name]
    same_start = [command for command in COMMANDS if name and command.startswith(name)]
    similar = difflib.get_close_matches(name, COMMANDS, 1) or same_start
    hint = f"did you mean /{similar[0]}?" if similar else "list all commands with: /help"
    raise InputError(f"no command /{name}", hint)


def _ask(context: Context, line: str) -> None:
    understood = context.session.understand(line)
    if understood.question != line and not context.session.as_json:
        context.screen.note(f"understood as: {understood.question}")
    if understood.note and not context.session.as_json:
        context.screen.note(understood.note)
    answer = context.session.ask(line, understood)
    if answer.question != understood.question and not context.session.as_json:
        context.screen.note(f"not found; answered instead: {answer.question}")
    context.screen.json(answer) if context.session.as_json else context.screen.answer(answer)


def _search(context: Context, words: str) -> None:
    hits = context.session.search(words, context.session.top_k or 5)
    context.screen.json(hits) if context.session.as_json else context.screen.hits(hits)


def _sources(context: Context, number: str) -> None:
    count = len(context.session.places)
    if not count:
        raise InputError("no sources have been shown yet", "ask a question, or /search WORDS")
    place = context.session.places[_number(number or "1", 1, count, "/sources 1") - 1]
    document = context.session.service.store().document(place.document_id)
    if document is None:
        raise InputError(f"{place.document_id} is no longer in the index", "ask again")
    if document.text[place.start : place.end] != place.quote:
        raise InputError(f"{place.document_id} has changed since the answer", "ask again")
    context.open(document, place)


def _why(context: Context, _: str) -> None:
    if not context.session.exchanges:
        raise InputError("no question has been asked yet", "ask a question")
    from rag.render.terminal import ranks, timings
    from rag.render.view import explain

    answer = context.session.exchanges[-1].answer
    for line in explain(answer):
        context.screen.note(line)
    context.screen.gap()
    context.screen.table(ranks(answer), ["cyan", "", "", "", "dim"])
    context.screen.note(timings(answer))


def _list(context: Context, words: str) -> None:
    parts, service = words.casefold().split(), context.session.service
    service.store()  # raises if there is no index
    rows = [(document.id, document.title) for document in service.documents()]
    matching = [row for row in rows if all(part in " ".join(row).casefold() for part in parts)]
    context.screen.table(matching[:SHOWN_DOCUMENTS], ["", "dim"])
    if unlisted := len(matching[SHOWN_DOCUMENTS:]):
        context.screen.note(f"and {unlisted:,} more; /list WORDS shows matching ones")
    elif not matching:
        hint = "the index is empty; add documents with /ingest PATH"
        context.screen.note(f"no document matches {words}" if words else hint)


def _ingest(context: Context, path: str) -> None:
    if not path:
        raise InputError("no path given", "give a file or folder: /ingest PATH")
    progress = IngestProgress()
    with context.screen.working(progress.describe):
        report = context.session.service.ingest(Path(_unquoted(path)).expanduser(), progress)
    words = ("added", "updated", "unchanged", "skipped")
    counts = [f"{count:,} {word}" for word in words if (count := len(getattr(report, word)))]
    context.screen.note(", ".join(counts))
    for skipped, reason in report.skipped[:5]:
        context.screen.note(f"skipped {skipped}: {reason}")
    if len(report.skipped) > 5:
        context.screen.note(f"and {len(report.skipped) - 5:,} more were skipped")


def _delete(context: Context, name: str) -> None:
    if not name:
        raise InputError("no document given", "give an id or a title: /delete DOCUMENT")
    documents = context.session.service.documents()
    document = find_document(documents, _unquoted(name), "/list", titles=True)
    if not context.confirm(f"Delete {document.id} ({document.title}) from the index?"):
        context.screen.note("kept")
        return
    receipt = context.session.service.delete(document.id)
    if receipt and not receipt.complete:
        raise StoreError(f"parts of {document.id} remain", "run: rag index doctor")
    searches = receipt.searches if receipt else 0
    proof = f"; {searches} searches for its passages no longer find it" if searches else ""
    context.screen.note(f"deleted {document.id}{proof}")


def _filter(context: Context, text: str) -> None:
    if text in ("off", "none"):
        context.session.filter = ()
    elif text:
        conditions = parse([text])
        check_keys(conditions, context.session.service.store().metadata_keys)
        context.session.filter += conditions
    note = f"only documents that match {context.session.conditions}; /filter off for all"
    context.screen.note(note if context.session.filter else "all documents")


def _top_k(context: Context, number: str) -> None:
    if number:
        context.session.top_k = _number(number, 1, 200, "/top-k 8")
    top_k = context.session.top_k or context.session.service.settings.top_k
    context.screen.note(f"{top_k} passages are read for a question")


def _json(context: Context, _: str) -> None:
    context.session.as_json = not context.session.as_json
    context.screen.note("answers as JSON" if context.session.as_json else "answers as text")


def _save(context: Context, path: str) -> None:
    if not path:
        raise InputError("no file given", "give a file: /save FILE.md")
    target = Path(_unquoted(path)).expanduser().resolve()
    exchanges, overwrite = context.session.exchanges, f"{target} exists already. Overwrite it?"
    is_other = target.exists() and str(target) != context.session.saved
    if is_other and exchanges and not context.confirm(overwrite):
        context.screen.note("not saved")
        return
    transcript.save(exchanges, target)
    context.session.saved = str(target)
    context.screen.note(f"saved {plural(len(exchanges), 'question')} to {target}")


def _info(context: Context, _: str) -> None:
    stats = context.session.service.store().stats()
    exchanges = context.session.exchanges
    answered = sum(exchange.answer.text is not None for exchange in exchanges)
    seconds = [exchange.seconds for exchange in exchanges]
    typical = f", {statistics.median(seconds):.2f} s typically" if exchanges else ""
    rows = [
        ("index", context.session.service.settings.place),
        ("documents", f"{stats.documents:,}"),
        ("passages", f"{stats.passages:,}"),
        ("generation", f"{stats.generation:,}"),
        ("embedder", f"{stats.embedder}, {stats.dim} dimensions"),
        ("asked", f"{len(exchanges)}, answered {answered}{typical}"),
    ]
    context.screen.table(rows, ["dim"])


def _help(context: Context, name: str) -> None:
    commands = [_command(name.removeprefix("/"))] if name else list(COMMANDS.values())
    if not name:
        context.screen.note('Type a question. Follow-up questions may say "it" or "and where?".')
    rows = [(f"/{command.name} {command.usage}".strip(), command.help) for command in commands]
    context.screen.table(rows, ["cyan"])
    if not name:
        keys = "Tab completes, Ctrl-R searches the history, Ctrl-C stops a question, Ctrl-D quits."
        context.screen.note(keys)


def _quit(_: Context, __: str) -> None:
    raise EOFError


def _number(text: str, lowest: int, highest: int, example: str) -> int:
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        expected = f"a number from {lowest} to {highest}" if highest > lowest else str(lowest)
        raise InputError(f"{text!r} is not {expected}", f"as in {example}")
    return int(text)


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


_SIGNS = " ".join(OPERATORS)
_ALL = (
    Command("search", "WORDS", "show the passages that best match the words", _search),
    Command("sources", "[N]", "open a source of the last answer at the quote", _sources),
    Command("why", "", "explain the last answer, with scores and ranks", _why),
    Command("list", "[WORDS]", "list the documents, or those that match the words", _list),
    Command("ingest", "PATH", "add a file or folder to the index", _ingest),
    Command("delete", "DOCUMENT", "delete a document from the index", _delete),
    Command("filter", "[KEY=VALUE|off]", f"search only matching documents ({_SIGNS})", _filter),
    Command("top-k", "[N]", "set the number of passages to read per question", _top_k),
    Command("json", "", "switch JSON output on or off", _json),
    Command("save", "FILE", "save the session as Markdown, with citations", _save),
    Command("info", "", "show the size of the index, and what was asked", _info),
    Command("help", "[COMMAND]", "list the commands, or explain one", _help),
    Command("quit", "", "end the session; quit and exit do the same", _quit),
)
COMMANDS = {command.name: command for command in _ALL}
_SHORT = {"q": "quit", "exit": "quit", "?": "help", "h": "help", "source": "sources"}
