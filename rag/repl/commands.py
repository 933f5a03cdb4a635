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
SHOWN_SKIPPED = 5


@dataclass
class Context:
    """What a command works on. `open` shows a document at a place; `confirm` asks yes or no."""

    session: ReplSession
    screen: Screen
    open: Callable[[Document, Citation], None]
    confirm: Callable[[str], bool]


class PromptCommand(NamedTuple):
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


def _command(name: str) -> PromptCommand:
    """The command with this name, or the error that proposes a similar one."""
    name = _ALIASES.get(name, name)
    if name in COMMANDS:
        return COMMANDS[name]

    similar_names = difflib.get_close_matches(name, COMMANDS, 1)
    if not similar_names and name:
        similar_names = [command for command in COMMANDS if command.startswith(name)]
    hint = "list all commands with: /help"
    if similar_names:
        hint = f"did you mean /{similar_names[0]}?"
    raise InputError(f"no command /{name}", hint)


def _ask(context: Context, line: str) -> None:
    session = context.session
    screen = context.screen

    understood = session.understand(line)
    if not session.as_json:
        if understood.question != line:
            screen.note(f"understood as: {understood.question}")
        if understood.note:
            screen.note(understood.note)

    answer = session.ask(line, understood)
    if session.as_json:
        screen.json(answer)
        return
    if answer.question != understood.question:
        screen.note(f"not found; answered instead: {answer.question}")
    screen.answer(answer)


def _search(context: Context, words: str) -> None:
    hits = context.session.search(words, context.session.top_k or 5)
    if context.session.as_json:
        context.screen.json(hits)
    else:
        context.screen.hits(hits)


def _sources(context: Context, number: str) -> None:
    places = context.session.places
    if not places:
        raise InputError("no sources have been shown yet", "ask a question, or /search WORDS")

    index = _number(
        number or "1",
        minimum=1,
        maximum=len(places),
        example="/sources 1",
    )
    place = places[index - 1]
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
    screen = context.screen
    for line in explain(answer):
        screen.note(line)
    screen.gap()
    screen.table(ranks(answer), ["cyan", "", "", "", "dim"])
    screen.note(timings(answer))


def _list(context: Context, words: str) -> None:
    screen = context.screen
    service = context.session.service
    service.store()  # raises if there is no index

    parts = words.casefold().split()
    matching = []
    for document in service.documents():
        name = f"{document.id} {document.title}".casefold()
        if all(part in name for part in parts):
            matching.append((document.id, document.title))
    screen.table(matching[:SHOWN_DOCUMENTS], ["", "dim"])

    unlisted = len(matching) - SHOWN_DOCUMENTS
    if unlisted > 0:
        screen.note(f"and {unlisted:,} more; /list WORDS shows matching ones")
    elif not matching and words:
        screen.note(f"no document matches {words}")
    elif not matching:
        screen.note("the index is empty; add documents with /ingest PATH")


def _ingest(context: Context, path: str) -> None:
    if not path:
        raise InputError("no path given", "give a file or folder: /ingest PATH")

    screen = context.screen
    target = Path(_unquoted(path)).expanduser()
    progress = IngestProgress()
    with screen.working(progress.describe):
        report = context.session.service.ingest(target, progress)

    counts = []
    for outcome in ("added", "updated", "unchanged", "skipped"):
        entries = getattr(report, outcome)
        if entries:
            counts.append(f"{len(entries):,} {outcome}")
    screen.note(", ".join(counts))

    for skipped, reason in report.skipped[:SHOWN_SKIPPED]:
        screen.note(f"skipped {skipped}: {reason}")
    unshown = len(report.skipped) - SHOWN_SKIPPED
    if unshown > 0:
        screen.note(f"and {unshown:,} more were skipped")


def _delete(context: Context, name: str) -> None:
    if not name:
        raise InputError("no document given", "give an id or a title: /delete DOCUMENT")

    service = context.session.service
    document = find_document(
        service.documents(),
        _unquoted(name),
        "/list",
        titles=True,
    )
    if not context.confirm(f"Delete {document.id} ({document.title}) from the index?"):
        context.screen.note("kept")
        return

    receipt = service.delete(document.id)
    if receipt and not receipt.complete:
        raise StoreError(f"parts of {document.id} remain", "run: rag index doctor")

    proof = ""
    if receipt and receipt.searches:
        proof = f"; {receipt.searches} searches for its passages no longer find it"
    context.screen.note(f"deleted {document.id}{proof}")


def _filter(context: Context, text: str) -> None:
    session = context.session
    if text in ("off", "none"):
        session.filter = ()
    elif text:
        conditions = parse([text])
        check_keys(conditions, session.service.store().metadata_keys)
        session.filter += conditions

    note = "all documents"
    if session.filter:
        note = f"only documents that match {session.conditions}; /filter off for all"
    context.screen.note(note)


def _top_k(context: Context, number: str) -> None:
    session = context.session
    if number:
        session.top_k = _number(
            number,
            minimum=1,
            maximum=200,
            example="/top-k 8",
        )
    top_k = session.top_k or session.service.settings.top_k
    context.screen.note(f"{top_k} passages are read for a question")


def _json(context: Context, _: str) -> None:
    session = context.session
    session.as_json = not session.as_json
    context.screen.note("answers as JSON" if session.as_json else "answers as text")


def _save(context: Context, path: str) -> None:
    if not path:
        raise InputError("no file given", "give a file: /save FILE.md")

    session = context.session
    exchanges = session.exchanges
    target = Path(_unquoted(path)).expanduser().resolve()

    # what this session has saved may be overwritten; with no question, `save` says what is wrong
    is_other = target.exists() and str(target) != session.saved
    if is_other and exchanges:
        overwrite = context.confirm(f"{target} exists already. Overwrite it?")
        if not overwrite:
            context.screen.note("not saved")
            return

    transcript.save(exchanges, target)
    session.saved = str(target)
    count = plural(len(exchanges), "question")
    context.screen.note(f"saved {count} to {target}")


def _info(context: Context, _: str) -> None:
    session = context.session
    service = session.service
    stats = service.store().stats()

    exchanges = session.exchanges
    answered = sum(exchange.answer.text is not None for exchange in exchanges)
    typical = ""
    if exchanges:
        seconds = statistics.median(exchange.seconds for exchange in exchanges)
        typical = f", {seconds:.2f} s typically"

    rows = [
        ("index", service.settings.place),
        ("documents", f"{stats.documents:,}"),
        ("passages", f"{stats.passages:,}"),
        ("generation", f"{stats.generation:,}"),
        ("embedder", f"{stats.embedder}, {stats.dim} dimensions"),
        ("asked", f"{len(exchanges)}, answered {answered}{typical}"),
    ]
    context.screen.table(rows, ["dim"])


def _help(context: Context, name: str) -> None:
    screen = context.screen
    if name:
        command = _command(name.removeprefix("/"))
        screen.table([_help_row(command)], ["cyan"])
        return

    screen.note('Type a question. Follow-up questions may say "it" or "and where?".')
    rows = [_help_row(command) for command in COMMANDS.values()]
    screen.table(rows, ["cyan"])
    screen.note(
        "Tab completes, Ctrl-R searches the history, Ctrl-C stops a question, Ctrl-D quits."
    )


def _help_row(command: PromptCommand) -> tuple[str, str]:
    usage = f"/{command.name} {command.usage}".strip()
    return usage, command.help


def _quit(_: Context, __: str) -> None:
    raise EOFError


def _number(text: str, minimum: int, maximum: int, example: str) -> int:
    """The number that was typed. Raises InputError if it is outside of the limits."""
    if text.isdecimal() and minimum <= int(text) <= maximum:
        return int(text)

    expected = str(minimum)
    if maximum > minimum:
        expected = f"a number from {minimum} to {maximum}"
    raise InputError(f"{text!r} is not {expected}", f"as in {example}")


def _unquoted(text: str) -> str:
    """The text without the quotation marks around it, as the shell would take it."""
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if is_quoted else text


_SIGNS = " ".join(OPERATORS)
_COMMAND_LIST = (
    PromptCommand("search", "WORDS", "show the passages that best match the words", _search),
    PromptCommand("sources", "[N]", "open a source of the last answer at the quote", _sources),
    PromptCommand("why", "", "explain the last answer, with scores and ranks", _why),
    PromptCommand("list", "[WORDS]", "list the documents, or those that match the words", _list),
    PromptCommand("ingest", "PATH", "add a file or folder to the index", _ingest),
    PromptCommand("delete", "DOCUMENT", "delete a document from the index", _delete),
    PromptCommand(
        "filter", "[KEY=VALUE|off]", f"search only matching documents ({_SIGNS})", _filter
    ),
    PromptCommand("top-k", "[N]", "set the number of passages to read per question", _top_k),
    PromptCommand("json", "", "switch JSON output on or off", _json),
    PromptCommand("save", "FILE", "save the session as Markdown, with citations", _save),
    PromptCommand("info", "", "show the size of the index, and what was asked", _info),
    PromptCommand("help", "[COMMAND]", "list the commands, or explain one", _help),
    PromptCommand("quit", "", "end the session; quit and exit do the same", _quit),
)
COMMANDS = {command.name: command for command in _COMMAND_LIST}
_ALIASES = {"q": "quit", "exit": "quit", "?": "help", "h": "help", "source": "sources"}
