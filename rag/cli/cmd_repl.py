"""`rag repl`, and `rag` alone on a terminal: the prompt, which asks one question after another."""

from __future__ import annotations

import sys
from pathlib import Path

from rag.cli.options import FILTER, TOP_K, command, is_json, option
from rag.filters import Filter
from rag.settings import Settings
from rag.types import Document


@command("repl")
def repl_command(
    settings: Settings,
    top_k: int | None = TOP_K,
    plain: bool = option("Plain text without colours or animation, for screen readers."),
    no_follow_ups: bool = option(
        'Take each question by itself; "it" and "and where?" are not filled in.'
    ),
    filter: Filter = FILTER,
) -> None:
    """Ask one question after another. On a terminal this is a prompt with history, completion,
    commands and follow-up questions.

    When piped, it reads one question per line and prints one answer per line: answer, confidence
    and source, separated by tabs, or JSON with --json. Exits with status 1 if a question was not
    answered, with 2 if one was invalid.

    \b
    Examples:
      rag repl
      rag repl --filter source:notes/flat
      rag repl --json --no-follow-ups < questions.txt > answers.jsonl
    """
    from rag.background import BackgroundIndex
    from rag.repl.run import run
    from rag.repl.session import ReplSession

    follow = not no_follow_ups
    engine = BackgroundIndex(settings, forget=_forget)
    session = ReplSession(engine, filter, top_k, is_json(), follow)
    sys.exit(run(session, plain))


def _forget(folder: Path, document: Document) -> None:
    from rag.server.user_data import forget_quotes

    forget_quotes(folder, document)
