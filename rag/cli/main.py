"""The command line. Results go to stdout, progress and logs to stderr; exit codes are those of
`rag.errors`.
"""

from __future__ import annotations

import difflib
import importlib
import io
import logging
import os
import sys
from typing import Any

import click

from rag import __version__
from rag.errors import InputError, RagError

_log = logging.getLogger(__name__)
_COMMANDS = {
    "repl": (
        "rag.cli.repl",
        "Ask one question after another; alone on a terminal, rag does the same.",
    ),
    "ask": ("rag.cli.ask", "Answer a question from the documents, with citations."),
    "search": ("rag.cli.ask", "Show the passages nearest to a question."),
    "check": ("rag.cli.check", "Check any text against the documents, sentence by sentence."),
    "ingest": ("rag.cli.documents", "Add files and folders to the index."),
    "sync": ("rag.cli.sync", "Make the index match a folder, including removals."),
    "list": ("rag.cli.documents", "List the documents."),
    "show": ("rag.cli.documents", "Print a document's text."),
    "verify": ("rag.cli.verify", "Check whether citations still hold."),
    "replay": ("rag.cli.verify", "Ask a receipt's question again and show what changed."),
    "calibrate": ("rag.cli.verify", "Calibrate confidence on your own questions."),
    "delete": ("rag.cli.documents", "Delete documents from the index."),
    "snapshot": ("rag.cli.snapshots", "Copy the index to one file, while it is in use."),
    "restore": ("rag.cli.snapshots", "Restore the index from a snapshot."),
    "rebuild": (
        "rag.cli.reindex",
        "Split and embed all documents again, from the text in the index.",
    ),
    "info": ("rag.cli.doctor", "Show what the index holds."),
    "doctor": ("rag.cli.doctor", "Check models and index, and say what to do."),
    "serve": ("rag.cli.serve", "Serve the HTTP API and its page."),
    "mcp": ("rag.cli.mcp", "Serve the documents to an agent over stdin and stdout (MCP)."),
    "connect": ("rag.cli.connect", "Connect an agent: write its MCP configuration."),
    "collection": ("rag.cli.collections", "Make, list, rename and delete collections."),
    "keys": ("rag.cli.keys", "Make, list and revoke API keys."),
    "eval": ("rag.cli.evaluate", "Score answers to gold questions and show why they miss."),
    "why": ("rag.cli.evaluate", "Show which stage lost the right answer."),
    "migrate": ("rag.cli.migrate", "Move the index to another store."),
    "worker": ("rag.cli.worker", "Ingest queued documents."),
    "train": ("rag.cli.train", "Train a reader or an embedder by a recipe."),
}


class _Commands(click.Group):
    """Commands whose modules are imported when they run, so that help is quick."""

    def invoke(self, ctx: click.Context) -> Any:
        """All that was printed has left when this returns. What stdout refuses is said here: click
        would exit with 1.
        """
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            _drop_output()
            sys.exit(141)
        except OSError as error:
            _drop_output()
            _log.info("what the system refused", exc_info=True)
            what = error.filename or "the output cannot be written"
            hint = "make room or give yourself access, and run it again; rag -v shows more"
            raise InputError(f"{what}: {error.strerror or error}", hint) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A command that there is not is named with the one that is spelt most like it."""
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, _COMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else "see the commands: rag --help"
            raise click.UsageError(f"no such command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in _COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rag")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens, to stderr.")
@click.pass_context
def cli(context: click.Context, verbose: bool) -> None:
    """Ask a folder of documents. Answers stand in the documents, each with the sentence to prove
    it.

    \b
    rag ingest seeds
    rag ask "When was the JCPOA signed?"

    \b Exit codes: 0 done or answered, 1 not found, changed or wrong, 2 bad input, 3 bad index, 4
    bad model, 5 index busy.
    """
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="rag: %(message)s",
        stream=sys.stderr,
    )
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    context.obj = "colour" if colours else "plain"
    context.color = colours


def _drop_output() -> None:
    """What is still in the buffer is not tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run, with every foreseen error as one message on stderr. Without arguments on a terminal it
    is `rag repl`.
    """
    if isinstance(
        sys.stdout, io.TextIOWrapper
    ):  # a title has characters that a terminal's encoding may lack
        sys.stdout.reconfigure(errors="replace")
    arguments = sys.argv[1:] or (["repl"] if sys.stdin.isatty() and sys.stdout.isatty() else [])
    try:
        cli.main(arguments, standalone_mode=False)
    except RagError as error:
        click.echo(f"rag: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("rag: stopped", err=True)
        sys.exit(130)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
