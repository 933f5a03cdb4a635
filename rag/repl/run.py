"""The REPL in its environment: a full terminal, a plain one, or a pipe, where it reads one question
per line and writes one answer per line, without buffering.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, BinaryIO, Literal, TextIO

from rag import __version__
from rag.errors import InputError, RagError
from rag.render.status import clean, one_line, plural, takes_all
from rag.repl import commands
from rag.repl.screen import Screen
from rag.repl.session import ReplSession

_log = logging.getLogger(__name__)
_BYTE_ORDER_MARK = "\ufeff"


def run(session: ReplSession, plain: bool) -> int:
    """Run until the end of input. Returns the exit status."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _piped(session, sys.stdin.buffer, sys.stdout)
    # a terminal without cursor movement gets plain text, without colours and animation
    _at_terminal(session, plain or os.environ.get("TERM", "dumb") in ("dumb", "unknown", ""))
    if session.service.loading:  # a thread that is importing a library cannot be ended cleanly
        sys.stdout.flush()
        os._exit(0)
    return 0


def _piped(session: ReplSession, lines: Iterable[bytes] | BinaryIO, stream: TextIO) -> int:
    """Returns 0 if every question was answered, 1 if one was not, 2 if one was invalid. Blank lines
    are skipped.

    Raises RagError for problems with the index or a model.
    """
    status = 0
    for number, line in enumerate(lines):
        text = line.decode("utf-8", "surrogateescape")
        if number == 0:
            text = text.removeprefix(_BYTE_ORDER_MARK)
        question = text.strip()
        if not question:
            continue

        code, output = _piped_line(session, question)
        status = max(status, code)
        if not isinstance(output, str):
            output = json.dumps(output, ensure_ascii=not takes_all(stream))
        stream.write(output)
        stream.write("\n")
        stream.flush()
    return status


def _piped_line(session: ReplSession, question: str) -> tuple[int, Any]:
    """The exit code and, as JSON or separated by tabs, answer, confidence, and source or reason."""
    try:
        answer = session.ask(question, session.understand(question))
    except InputError as error:
        if not session.as_json:
            return 2, f"error\t\t{clean(error.message)}"
        as_bytes = question.encode("utf-8", "surrogateescape")
        value = {
            "question": as_bytes.decode("utf-8", "backslashreplace"),
            "error": error.message,
            "hint": error.hint,
        }
        return 2, value

    session.exchanges.clear()  # the input may be long
    code = int(answer.text is None)
    if session.as_json:
        return code, {**answer.to_dict(), "asked": question}

    confidence = f"{answer.confidence:.2f}"
    if answer.text is None:
        reason = one_line(answer.abstention_reason or "")
        return code, f"not found\t{confidence}\t{reason}"

    citation = answer.citations[0]
    document_id = one_line(citation.document_id)
    source = f"{document_id}:{citation.start}-{citation.end}"
    return code, f"{one_line(answer.text)}\t{confidence}\t{source}"


def _at_terminal(session: ReplSession, plain: bool) -> None:
    from rich.console import Console

    from rag.repl.terminals import FullTerminal, PlainTerminal, quiet

    for name in ("COLUMNS", "LINES"):  # rich would keep these values after the terminal is resized
        os.environ.pop(name, None)

    colours: Literal["auto"] | None = None if plain else "auto"
    console = Console(
        markup=False,
        emoji=False,
        highlight=False,
        color_system=colours,
    )
    screen = Screen(console, plain)
    session.working = screen.working

    service = session.service
    terminal: PlainTerminal | FullTerminal
    if plain:
        terminal = PlainTerminal(service, screen)
    else:
        terminal = FullTerminal(service, partial(foot, session), colour=not console.no_color)

    context = commands.Context(
        session=session,
        screen=screen,
        open=terminal.open,
        confirm=terminal.confirm,
    )
    with nullcontext() if plain else quiet():
        screen.note(f"rag {__version__}, {service.settings.place}")
        screen.note("Ask a question. /help shows more, Ctrl-D quits.")
        screen.gap()
        converse(context, terminal.read())


def converse(context: commands.Context, typed: Iterable[Sequence[str]]) -> None:
    """Handle typed lines until the end or /quit. Ctrl-C discards the rest of a pasted block."""
    for lines in typed:
        try:
            for line in lines:
                if len(lines) > 1:
                    context.screen.note(f"> {line}")
                _handle_line(context, line)
        except EOFError:
            return
        except KeyboardInterrupt:  # it may also arrive between two lines
            context.screen.note("stopped")
            context.screen.gap()


def _handle_line(context: commands.Context, line: str) -> None:
    """Handle one line; errors do not end the session. Raises KeyboardInterrupt, EOFError."""
    try:
        commands.handle(context, line)
    except RagError as error:
        context.screen.error(error)
    except EOFError:
        raise
    except Exception as error:
        _log.info("%r failed", line, exc_info=True)
        message = f"unexpected error: {type(error).__name__}: {error}"
        context.screen.error(RagError(message, "for details: rag -v repl"))
    if line.strip():
        context.screen.gap()


def foot(session: ReplSession) -> str:
    """Status line below the prompt."""
    service = session.service
    if service.loading:
        state = "loading the models"
    elif service.known >= 0:
        state = plural(service.known, "document")
    else:
        state = "no index yet: /ingest PATH"

    parts = [state]
    if session.top_k:
        parts.append(f"reads {session.top_k}")
    if session.filter:
        parts.append(f"only {session.conditions}")
    if session.as_json:
        parts.append("json")
    return " \u00b7 ".join(parts)
