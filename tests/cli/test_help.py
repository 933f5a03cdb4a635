"""Every command's help ends with examples whose commands and options exist."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from rag.cli.main import cli
from tests.store.helpers import ROOT


def _commands(group: click.Group, path: str = "rag") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path} {name}")


COMMANDS = dict(_commands(cli))


def _examples(command: click.Command) -> list[list[str]]:
    """The words of each example, from `rag` to the end or to a pipe."""
    _, _, text = inspect.cleandoc(command.help or "").partition("\b\nExamples:\n")
    return [
        shlex.split(line[line.index("rag ") :].split(" | ")[0].split(" < ")[0].split(" > ")[0])
        for line in text.partition("\n\n")[0].splitlines()
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_of_the_command(name: str) -> None:
    examples = _examples(COMMANDS[name])
    assert len(examples) >= 2
    assert any(" ".join(words).startswith(name) for words in examples)


@pytest.mark.parametrize("name", COMMANDS)
def test_examples_use_options_that_exist(name: str) -> None:
    for words in _examples(COMMANDS[name]):
        command = COMMANDS[" ".join(words[:2])]
        if isinstance(command, click.Group):
            command = COMMANDS[" ".join(words[:3])]
        known = {option for one in command.params for option in one.opts}
        assert {word for word in words if word.startswith("-")} <= known, words


def _documented() -> Iterator[tuple[str, list[str]]]:
    """The words of each command that README and docs show."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        for line in re.findall(r"(?:^    (?:\$ )?|`)(rag [a-z][^`\n]*)", text, re.MULTILINE):
            for command in re.split(r"; | \|\s| #| < | > | >> ", line)[:1]:
                yield path.name, re.findall(r'"[^"]*"|\S+', command)


@pytest.mark.parametrize(("page", "words"), list(_documented()))
def test_documents_show_commands_that_exist(page: str, words: list[str]) -> None:
    group = COMMANDS.get(" ".join(words[:2]))
    command = COMMANDS.get(" ".join(words[:3])) if isinstance(group, click.Group) else group
    assert command or (group and len(words) == 2), (page, words)
    known = {option for one in (command or group).params for option in one.opts}  # type: ignore[union-attr]
    written = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert written <= known | {"--help"}, (page, words)
