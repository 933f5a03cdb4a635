"""`rag repl`, and `rag` alone on a terminal."""

from __future__ import annotations

import sys

import click

from rag.cli.options import filter_option, shared
from rag.filters import Filter
from rag.settings import Settings


@click.command("repl")
@click.option(
    "--read",
    type=click.IntRange(1, 200),
    help="How many passages are read; by default RAG_TOP_K, or 8.",
)
@click.option(
    "--plain",
    is_flag=True,
    help="Words alone, without colours and moving parts: for screen readers.",
)
@click.option(
    "--no-follow-ups",
    is_flag=True,
    help='Take each question as it is: "it" and "and where?" refer to nothing.',
)
@filter_option
@shared
def repl_command(
    settings: Settings,
    as_json: bool,
    read: int | None,
    plain: bool,
    no_follow_ups: bool,
    filter: Filter,
) -> None:
    """Ask one question after another. On a terminal: a prompt with history, completion and
    commands.

    In a pipe: a question a line in, an answer a line out (answer, confidence and place, with tabs
    between; or, with --json, as `rag ask --json` on one line). Exits with 1 if a question was not
    answered, with 2 if one could not be asked.
    """
    from rag.repl.run import Options, run

    sys.exit(run(Options(settings, filter, read, as_json, plain, not no_follow_ups)))
