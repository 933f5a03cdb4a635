"""`--json` with and without FIELDS, and the scripts of shells."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rag.cli.main import COMMANDS, cli, with_json_fields
from tests.cli.test_cli import Run, run
from tests.store.helpers import local, put

__all__ = ["run"]


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., Any]:
    """`rag list` on an index with one document, as JSON."""
    store = local(tmp_path)
    put(store, "docs/lease.pdf", "The lease.")
    store.close()

    def call(*arguments: str) -> Any:
        found = CliRunner().invoke(
            cli, ["list", "--index", str(tmp_path), *arguments], catch_exceptions=False
        )
        return json.loads(found.stdout)

    return call


def test_fields_are_picked_in_the_order_they_are_named(listed: Callable[..., Any]) -> None:
    assert listed("--json", "title,id") == [{"title": "docs/lease.pdf", "id": "docs/lease.pdf"}]
    assert listed("--json=id") == listed("--json", "id") == [{"id": "docs/lease.pdf"}]
    (whole,) = listed("--json")
    assert {"id", "title", "source", "sha256"} <= set(whole)


def test_an_unknown_field_is_an_error_that_names_the_fields(run: Run) -> None:
    run("ingest", "docs")
    code, out, err = run("list", "--json", "id,titel")
    assert (code, out) == (2, "")
    assert err.startswith("rag: the result has no field 'titel'\n  its fields: id, title")


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (["--json", "lease"], ["--json=", "lease"]),
        (["--json", "Who signed, and when?"], ["--json=", "Who signed, and when?"]),
        (["--json", "text,confidence", "Who?"], ["--json=text,confidence", "Who?"]),
        (["Who?", "--json"], ["Who?", "--json="]),
        (["--", "--json", "a,b"], ["--", "--json", "a,b"]),
    ],
)
def test_a_question_after_json_stays_a_question(arguments: list[str], read: list[str]) -> None:
    command = cli.get_command(cli.make_context("rag", ["ask", "x"]), "ask")
    assert with_json_fields(command, arguments) == read


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_for_rag(shell: str) -> None:
    assert "_RAG_COMPLETE" in CliRunner().invoke(cli, ["--completion", shell]).stdout


def test_completion_suggests_commands_and_options() -> None:
    environment = {"_RAG_COMPLETE": "bash_complete", "COMP_WORDS": "rag index d", "COMP_CWORD": "2"}
    found = CliRunner().invoke(cli, prog_name="rag", env=environment)
    assert found.stdout.split() == ["plain,doctor"]
    environment |= {"COMP_WORDS": "rag ask --sh", "COMP_CWORD": "2"}
    found = CliRunner().invoke(cli, prog_name="rag", env=environment)
    assert "plain,--show-removed" in found.stdout
    assert len(COMMANDS) <= 21
