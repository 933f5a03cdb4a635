"""The table of exit codes in docs/cli.md agrees with the commands' help."""

from __future__ import annotations

import re

import click
import pytest

from rag import errors
from rag.cli.main import COMMANDS, cli
from tests.store.helpers import ROOT

TABLE = dict(
    re.findall(r"^\| ([\d, ]+) \| (.+) \|$", (ROOT / "docs/cli.md").read_text(), re.MULTILINE)
)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_that_exit_with_1_are_listed(command: str) -> None:
    found = cli.get_command(click.Context(cli), command)
    assert found
    said = " ".join((found.help or "").split())
    assert ("Exits with status 1" in said) == (f"`{command}`" in TABLE["1"])


def test_every_error_s_code_has_a_row() -> None:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.RagError)
    ]
    codes = {kind.exit_code for kind in kinds if kind is not errors.RagError}
    assert {str(code) for code in codes | {0, 1}} | {"130, 141"} == set(TABLE)
