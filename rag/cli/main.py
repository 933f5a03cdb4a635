"""The command line. Results go to stdout, progress and logs to stderr. `rag.errors` defines the
exit codes.
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
        "rag.cli.cmd_repl",
        "Ask questions at a prompt; plain `rag` on a terminal does the same.",
    ),
    "ask": ("rag.cli.cmd_ask", "Answer a question from the documents, with citations."),
    "search": ("rag.cli.cmd_ask", "Show the passages that best match a question."),
    "check": ("rag.cli.cmd_check", "Check a text against the documents, sentence by sentence."),
    "ingest": ("rag.cli.cmd_documents", "Add files and folders to the index."),
    "sync": ("rag.cli.cmd_sync", "Make the index match a folder, including removals."),
    "list": ("rag.cli.cmd_documents", "List the documents."),
    "show": ("rag.cli.cmd_documents", "Print a document's text."),
    "verify": ("rag.cli.cmd_verify", "Check whether citations still hold."),
    "replay": ("rag.cli.cmd_verify", "Repeat a question from its receipt and show what changed."),
    "calibrate": ("rag.cli.cmd_verify", "Calibrate confidence on your own questions."),
    "delete": ("rag.cli.cmd_documents", "Delete documents from the index."),
    "snapshot": ("rag.cli.cmd_snapshots", "Copy the index to one file, even while it is in use."),
    "restore": ("rag.cli.cmd_snapshots", "Restore the index from a snapshot."),
    "rebuild": (
        "rag.cli.cmd_reindex",
        "Split and embed all documents again, using the text in the index.",
    ),
    "info": ("rag.cli.cmd_doctor", "Show the index's size and settings."),
    "doctor": ("rag.cli.cmd_doctor", "Check the models and the index, and suggest fixes."),
    "serve": ("rag.cli.cmd_serve", "Serve the HTTP API and the web page."),
    "mcp": ("rag.cli.cmd_mcp", "Serve the documents to an AI agent over stdin and stdout (MCP)."),
    "connect": ("rag.cli.cmd_connect", "Add rag to an AI agent's MCP configuration."),
    "collection": ("rag.cli.cmd_collections", "Create, list, rename and delete collections."),
    "keys": ("rag.cli.cmd_keys", "Create, list, rotate and revoke API keys."),
    "eval": (
        "rag.cli.cmd_evaluate",
        "Score the answers to gold questions and explain the misses.",
    ),
    "why": ("rag.cli.cmd_evaluate", "Show which stage lost the right answer."),
    "migrate": ("rag.cli.cmd_migrate", "Copy the index to another store."),
    "worker": ("rag.cli.cmd_worker", "Ingest queued documents."),
    "train": ("rag.cli.cmd_train", "Train a reader, an embedder or the form classifier."),
}


class _Commands(click.Group):
    """Imports a command's module only when it runs, which keeps `--help` fast."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and flush stdout. Reports write errors on stdout itself, because click
        would exit with 1, which means "not found".
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
            _log.info("system error", exc_info=True)
            what = error.filename or "the output cannot be written"
            hint = "free some space or fix the permissions, then run it again; rag -v shows more"
            raise InputError(f"{what}: {error.strerror or error}", hint) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the closest name for an unknown command."""
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, _COMMANDS, 1)
            hint = f"did you mean {near[0]}?" if near else "list the commands with: rag --help"
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
@click.option("-v", "--verbose", is_flag=True, help="Log details to stderr.")
@click.pass_context
def cli(context: click.Context, verbose: bool) -> None:
    """Ask questions of your own documents. Every answer is quoted from them and cited; when they
    do not answer a question, rag says so.

    \b
    Examples:
      rag ingest seeds
      rag ask "When was the JCPOA signed?"
      rag repl

    Exit codes: 0 done or answered, 1 not found, changed or failed, 2 bad input, 3 bad index,
    4 bad model, 5 index busy.
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
    """Discard buffered output, so that Python does not try to flush it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> None:
    """Run the command line and print every expected error as one message on stderr. Without
    arguments on a terminal, start `rag repl`.
    """
    # Titles may have characters that the terminal's encoding lacks.
    if isinstance(sys.stdout, io.TextIOWrapper):
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
