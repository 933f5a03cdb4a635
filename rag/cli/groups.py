"""Groups of commands: they import a command when it runs, and read `--json FIELDS`."""

from __future__ import annotations

import difflib
import importlib
import re
from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

Table = Mapping[str, tuple[str, str]]
"""Names of commands with their place, `module:function`, and their summary."""
_FIELDS = re.compile(r"[a-z_]+(,[a-z_]+)*")


class LazyGroup(click.Group):
    """A group whose commands take `--json` with or without FIELDS."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, remaining = super().resolve_command(ctx, args)
        return name, command, with_json_fields(command, remaining)


class Commands(LazyGroup):
    """A group that imports a command's module only when the command runs, which keeps `--help` and
    completion fast.
    """

    def __init__(self, *args: Any, table: Table, **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest the closest name for an unknown command."""
        name = args[0]
        if name not in self.table and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.table, 1)
            hint = (
                f"did you mean {near[0]}?" if near else f"list them with: {ctx.command_path} --help"
            )
            raise click.UsageError(f"no such command {name!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.table:
            return None
        module, _, function = self.table[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"rag.cli.{module}"), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.table.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Names of commands, from the table, and options."""
        names = [
            CompletionItem(name, help=summary)
            for name, (_, summary) in self.table.items()
            if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)


def with_json_fields(command: click.Command | None, arguments: list[str]) -> list[str]:
    """The arguments with `--json FIELDS` as `--json=FIELDS`. A word without a comma names a field
    only where the command takes no arguments; elsewhere it may be a question.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    if command is None or isinstance(command, click.Group) or "--json" not in arguments[:end]:
        return arguments
    place = arguments.index("--json")
    following = arguments[place + 1 : min(place + 2, end)]
    is_alone = not any(isinstance(one, click.Argument) for one in command.params)
    if following and _FIELDS.fullmatch(following[0]) and ("," in following[0] or is_alone):
        return [*arguments[:place], f"--json={following[0]}", *arguments[place + 2 :]]
    return [*arguments[:place], "--json=", *arguments[place + 1 :]]
