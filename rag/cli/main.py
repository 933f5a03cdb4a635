"""The command line. Results go to stdout, progress and logs to stderr."""

from __future__ import annotations

import atexit
import difflib
import gc
import importlib
import io
import logging
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from rag import __version__
from rag.cli.parameters import Option
from rag.errors import InputError, RagError, install_line

CommandTable = Mapping[str, tuple[str, str]]
"""Names of commands, each with its summary and the module whose `NAME_command` it is."""


class Commands(click.Group):
    """A group that imports a command only when it runs: --help and completion stay fast."""

    def __init__(self, *args: Any, table: CommandTable, **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the closest name for an unknown command."""
        name = args[0]
        if name not in self.table and not name.startswith("-"):
            is_question = " " in name.strip() or name.endswith("?")
            if is_question and "ask" in self.table:
                typed = f"{ctx.command_path} ask {shlex.join(args)}"
                raise click.UsageError(f"to ask a question: {typed}", ctx)
            meant = _paths_of(name) or difflib.get_close_matches(name, self.table, 1)
            list_all = f"list them with: {ctx.command_path} --help"
            hint = f"did you mean {' or '.join(meant)}?" if meant else list_all
            raise click.UsageError(f"no such command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        module = importlib.import_module(f"rag.cli.{self.table[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, from the table, and options."""
        found = {name: row for name, row in self.table.items() if name.startswith(incomplete)}
        names = [CompletionItem(name, help=summary) for name, (_, summary) in found.items()]
        return names + click.Command.shell_complete(self, ctx, incomplete)


_log = logging.getLogger(__name__)
COMMANDS: CommandTable = {
    "repl": ("cmd_repl", "Ask questions at a prompt; plain `rag` on a terminal does the same."),
    "ask": ("cmd_ask", "Answer a question from the documents, with citations."),
    "search": ("cmd_ask", "Show the passages that best match a question."),
    "check": ("cmd_check", "Check a text against the documents, sentence by sentence."),
    "grid": ("cmd_grid", "Ask the same questions of every document; see what changes."),
    "verify": ("cmd_verify", "Check whether citations and certificates hold."),
    "export": ("cmd_verify", "Seal answers into a bundle that anyone can check."),
    "ingest": ("cmd_documents", "Add files and folders to the index."),
    "sync": ("cmd_documents", "Make the index match a folder, including removals."),
    "list": ("cmd_documents", "List the documents."),
    "show": ("cmd_documents", "Print a document's text."),
    "delete": ("cmd_documents", "Delete documents from the index."),
    "index": ("main", "Check, copy, rebuild and move the index."),
    "collection": ("cmd_admin", "Create, list, rename and delete collections."),
    "serve": ("cmd_serve", "Serve the HTTP API and the web page."),
    "keys": ("cmd_admin", "Create, list, rotate and revoke API keys."),
    "mcp": ("cmd_agents", "Serve the documents to an AI agent over stdin and stdout (MCP)."),
    "connect": ("cmd_agents", "Add rag to an AI agent's MCP configuration."),
    "worker": ("cmd_serve", "Ingest queued documents."),
    "eval": ("main", "Score answers to gold questions, and explain the misses."),
    "train": ("main", "Train a reader, an embedder or the form classifier."),
}
_INDEX: CommandTable = {
    "info": ("cmd_index", "Show the index's size and settings."),
    "doctor": ("cmd_index", "Check the models and the index, and suggest fixes."),
    "snapshot": ("cmd_index", "Copy the index to one file, even while it is in use."),
    "restore": ("cmd_index", "Restore the index from a snapshot."),
    "rebuild": ("cmd_index", "Split and embed all documents again, using the text in the index."),
    "migrate": ("cmd_index", "Copy the index to another store."),
}
_EVAL: CommandTable = {
    "run": ("cmd_eval", "Ask gold questions and score the answers."),
    "compare": ("cmd_eval", "Compare two results."),
    "claims": ("cmd_eval", "Score the verdicts of rag check on gold claims."),
    "why": ("cmd_eval", "Show which stage lost the right answer."),
    "calibrate": ("cmd_eval", "Calibrate confidence on your own questions."),
}
_TRAIN: CommandTable = {
    "reader": ("cmd_train", "Fine-tune or train a reader."),
    "embedder": ("cmd_train", "Fine-tune an embedder."),
    "forms": ("cmd_train", "Train the classifier of answer forms."),
}


def _paths_of(name: str) -> list[str]:
    """The commands of this name, as they are typed: "rag index info"."""
    context = click.Context(cli)
    groups: dict[str, click.Command | None] = {"rag": cli}
    groups |= {f"rag {group}": cli.get_command(context, group) for group in COMMANDS}
    paths: list[str] = []
    for path, group in groups.items():
        if isinstance(group, click.Group) and name in group.list_commands(context):
            paths.append(f"{path} {name}")
    return paths


class _Program(Commands):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """If an option of a command is before the command, say that it belongs after it."""
        words = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            place = next((at for at, word in enumerate(words) if word in self.table), None)
            if place is None:
                raise
            rest = shlex.join([*words[:place], *words[place + 1 :]])
            message = (
                f"{error.option_name} belongs after the command: "
                f"{ctx.command_path} {words[place]} {rest}"
            )
            raise click.UsageError(message, ctx) from error

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
        except ModuleNotFoundError as error:  # a small installation has removed it
            library = (error.name or "rag").partition(".")[0]
            if library == "rag":
                raise
            raise InputError(f"{library} is not installed", f"run: {install_line()}") from error
        except OSError as error:
            _drop_output()
            _log.info("system error", exc_info=True)
            subject = error.filename or "the output cannot be written"
            hint = "free some space or fix the permissions, then run it again; rag -v shows more"
            raise InputError(f"{subject}: {error.strerror or error}", hint) from error


@click.command(
    cls=_Program, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="rag")
@click.option("-v", "--verbose", is_flag=True, help="Log details to stderr.")
@click.option(
    "--completion",
    cls=Option,
    type=click.Choice(("bash", "zsh", "fish")),
    callback=lambda context, _, shell: _print_completion(context, shell),
    expose_value=False,
    is_eager=True,
    help="Print the script that completes commands, options and paths in a shell.",
)
@click.pass_context
def cli(context: click.Context, verbose: bool) -> None:
    """Ask questions of your own documents. Every answer is quoted from them and cited; when they
    do not answer a question, rag says so.

    \b
    Examples:
      rag ingest seeds
      rag ask "When was the JCPOA signed?"
      rag repl
      rag --completion bash >> ~/.bashrc

    Exit codes: 0 done or answered, 1 not found, changed or failed, 2 bad input, 3 bad index,
    4 bad model, 5 index busy.
    """
    level = logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=level, format="rag: %(message)s", stream=sys.stderr)
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    context.obj = "colour" if colours else "plain"
    context.color = colours


@click.command("index", cls=Commands, table=_INDEX)
def index_command() -> None:
    """Check, copy, rebuild and move the index.

    \b
    Examples:
      rag index info
      rag index doctor
      rag index snapshot /mnt/backups/
    """


@click.command("eval", cls=Commands, table=_EVAL)
def eval_command() -> None:
    """Score the answers to questions whose answers are known, and explain the misses.

    \b
    Examples:
      rag eval run questions.jsonl
      rag eval compare before.json after.json
      rag eval why "When does the lease end?" --answer "31 May 2027"
    """


@click.command("train", cls=Commands, table=_TRAIN)
def train_command() -> None:
    """Train a reader, an embedder or the classifier of answer forms.

    An interrupted run resumes from its checkpoint with the same result.

    \b
    Examples:
      rag train reader --data gold.jsonl --corpus ~/notes --out my-reader
      rag train embedder --data sets --out my-embedder
    """


def _print_completion(context: click.Context, shell: str | None) -> None:
    if shell:
        program = context.info_name if context.info_name in ("rag", "quoterag") else "rag"
        script = get_completion_class(shell)
        assert script is not None  # click knows these shells
        click.echo(script(context.command, {}, program, f"_{program.upper()}_COMPLETE").source())
        context.exit()


def _drop_output() -> None:
    """Discard buffered output, so that Python does not try to flush it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_lines(message: str) -> str:
    """The message in lines of whole words, if a person reads it on a terminal."""
    if not sys.stderr.isatty():
        return message
    width = shutil.get_terminal_size().columns
    lines: list[str] = []
    for line in message.splitlines():
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(
            line,
            width,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [line]
    return "\n".join(lines)


def main() -> None:
    """Run the command line; an expected error is one message. Without arguments: the prompt."""
    # Titles may have characters that the terminal's encoding lacks.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    # At its end the system frees all memory at once; looking for cycles in it takes half a second.
    atexit.register(gc.freeze)
    arguments = sys.argv[1:] or (["repl"] if sys.stdin.isatty() and sys.stdout.isatty() else [])
    try:
        cli.main(arguments, standalone_mode=False)
    except RagError as error:
        click.echo(_in_lines(f"rag: {error}"), err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("rag: stopped", err=True)
        sys.exit(130)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
