"""What the tests of commands share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
import pytest

from rag import build
from rag.cli.main import cli, main
from rag.cli.options import Command

SHIPPED_JUDGE = build.judge


class Run:
    """Runs commands in this process: `run("list")` is (exit code, stdout, stderr)."""

    def __init__(self, patch: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]) -> None:
        self._patch, self._output = patch, output

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        self._patch.setattr("sys.argv", ["rag", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = self._output.readouterr()
        return code, out, err

    def out(self, *arguments: str, code: int = 0) -> str:
        """The output of a command that ends with this code and says nothing else."""
        ended, out, err = self(*arguments)
        assert (ended, err) == (code, ""), err
        return out

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The JSON of a command, which has the fields that the command declares, if it does."""
        ended, out, err = self(*arguments, "--json")
        assert ended == code, err
        result = json.loads(out)
        known = _declared(arguments)
        for value in result if isinstance(result, list) else [result]:
            assert not known or set(value) <= set(known), set(value) - set(known)
        return result

    def error(self, *arguments: str, code: int = 2) -> str:
        """What a command says that ends with this code and has no output."""
        ended, out, err = self(*arguments)
        assert (ended, out) == (code, "")
        return err


def _declared(arguments: Sequence[str]) -> tuple[str, ...]:
    """The fields that the command of these arguments says its result has; () if it does not."""
    group: click.Command = cli
    for word in arguments:
        if not isinstance(group, click.Group):
            break
        if (found := group.get_command(click.Context(group), word)) is not None:
            group = found
    return group.fields if isinstance(group, Command) else ()
