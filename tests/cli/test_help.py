"""Every command's help ends with examples whose commands and options exist, as do the commands that
the documents show; what follows from a wrong name; `--json` with FIELDS; completion.
"""

from __future__ import annotations

import inspect
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from rag import errors
from rag.cli.main import cli
from rag.cli.options import Command, with_json_fields
from rag.errors import NotFoundError
from rag.ingestion.find_document import similar_ids
from tests.cli.helpers import Run
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
DOORS = [name for name in COMMANDS if name.count(" ") == 1]


def _options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def _examples(command: click.Command) -> list[list[str]]:
    """The words of each example, from `rag` to the end or to a pipe."""
    _, _, text = inspect.cleandoc(command.help or "").partition("\b\nExamples:\n")
    return [
        shlex.split(line[line.index("rag ") :].split(" | ")[0].split(" < ")[0].split(" > ")[0])
        for line in text.partition("\n\n")[0].splitlines()
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_with_options_that_exist(name: str) -> None:
    examples = _examples(COMMANDS[name])
    assert len(examples) >= 2
    assert any(" ".join(words).startswith(name) for words in examples)
    for words in examples:
        command = COMMANDS[" ".join(words[:2])]
        if isinstance(command, click.Group):
            command = COMMANDS[" ".join(words[:3])]
        assert {word for word in words if word.startswith("-")} <= _options(command), words


def _documented() -> Iterator[tuple[str, list[str]]]:
    """The words of each command that README and docs show."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = path.read_text(encoding="utf-8")
        for line in re.findall(r"(?:^    (?:\$ )?|`)(rag [a-z][^`\n]*)", text, re.MULTILINE):
            for command in re.split(r"; | \|\s| #| < | > | >> ", line)[:1]:
                yield path.name, re.findall(r'"[^"]*"|\S+', command)


def test_documents_show_commands_that_exist() -> None:
    for page, words in _documented():
        group = COMMANDS.get(" ".join(words[:2]))
        command = COMMANDS.get(" ".join(words[:3])) if isinstance(group, click.Group) else group
        found_command = command or group
        assert found_command, (page, words)
        assert command or len(words) == 2, (page, words)
        written = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert written <= _options(found_command) | {"--help"}, (page, words)


def test_exit_codes_are_documented() -> None:
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    table = dict(re.findall(r"^\| ([\d, ]+) \| (.+) \|$", text, re.MULTILINE))
    for name in DOORS:
        words = " ".join((COMMANDS[name].help or "").split())
        is_listed = f"`{name.removeprefix('rag ')}`" in table["1"]
        assert ("Exits with status 1" in words) == is_listed, name
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {
        kind.exit_code
        for kind in kinds
        if issubclass(kind, errors.RagError) and kind is not errors.RagError
    }
    assert {str(code) for code in codes | {0, 1}} | {"130, 141"} == set(table)
    assert len(DOORS) <= 21


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("lease.pdf", ["docs/2024/lease.pdf"]),
        ("lease", ["docs/2024/lease.pdf"]),
        ("boiler", ["docs/boiler/manual.pdf"]),
        ("docs/notse.txt", ["docs/notes.txt"]),
        ("xyz", []),
    ],
)
def test_suggested_ids(name: str, suggested: list[str]) -> None:
    ids = ["docs/2024/lease.pdf", "docs/boiler/manual.pdf", "docs/notes.txt"]
    assert similar_ids(name, ids) == suggested


def test_wrong_names_get_suggestions(filled: Run) -> None:
    unknown = filled.error("show", "deal.md", code=NotFoundError.exit_code)
    assert "did you mean docs/deal.md?" in unknown
    assert "did you mean ask?" in filled.error("aks", "what?")
    assert "did you mean rag index info?" in filled.error("info")
    assert "did you mean rag grid rate?" in filled.error("rate")
    assert "did you mean rag grid run or rag eval run?" in filled.error("run")
    assert "did you mean rag ingest?" in filled.error("index", "ingest")
    assert str(Path("nothing").absolute()) in filled("list", "--index", "nothing")[2]


def test_json_takes_fields_in_the_order_they_are_named(filled: Run) -> None:
    out = filled.out("list", "--json", "title,id")
    assert out.split('"')[1:8:2] == ["title", "The deal", "id", "docs/deal.md"]
    assert filled("list", "--json=id") == filled("list", "--json", "id")
    err = filled.error("list", "--json", "id,titel")
    assert err.startswith("rag: the result has no field 'titel'\n  its fields: id, title, source")


def test_unknown_fields_are_refused_before_anything_changes(filled: Run, tmp_path: Path) -> None:
    Path("people.toml").write_text(
        'name = "people"\n[[columns]]\nname = "Who"\nquestion = "Who signed the deal?"\n'
    )
    Path("more.md").write_text("# More\n\nMore text.\n")
    assert filled("collection", "create", "kept")[0] == 0
    assert filled("keys", "add", "kept")[0] == 0
    before = _contents(tmp_path)
    for arguments in (
        ["grid", "run", "people.toml", "--out", "people.csv"],
        ["check", "more.md", "--html", "more.html", "--junit", "more.xml"],
        ["ask", "Who signed the deal?", "--certificate", "absence.json"],
        ["ingest", "more.md"],
        ["sync", "docs"],
        ["delete", "docs/deal.md"],
        ["keys", "add", "page"],
        ["keys", "rotate", "kept"],
        ["keys", "revoke", "kept"],
        ["collection", "create", "new"],
        ["collection", "rename", "kept", "new"],
        ["collection", "delete", "kept", "--yes"],
        ["index", "snapshot", "docs.ragsnap"],
        ["export", "people", "--bundle", "people.zip"],
        ["eval", "run", "more.md", "--out", "reports"],
        ["eval", "calibrate", "more.md", "--out", "calibration.json"],
    ):
        error = filled.error(*arguments, "--json=wrong")
        assert error.startswith("rag: the result has no field 'wrong'\n  its fields: "), arguments
        assert _contents(tmp_path) == before, arguments


def _contents(folder: Path) -> dict[Path, bytes]:
    """The files of a folder, without those by which SQLite locks and shares its pages."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: path.read_bytes() for path in files if not path.name.endswith(("-shm", "-wal"))}


def test_every_command_that_changes_something_declares_its_fields() -> None:
    reading = {
        *("repl", "search", "list", "show", "verify", "serve", "mcp", "worker"),
        *("index info", "collection list", "keys list", "grid list", "grid changes"),
        *("grid verify", "eval compare", "eval claims", "eval why"),
    }
    commands = [(name, one) for name, one in COMMANDS.items() if isinstance(one, Command)]
    assert {name for name, one in commands if not one.fields} == {f"rag {name}" for name in reading}


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (["--json", "lease"], ["--json=", "lease"]),
        (["--json", "Who signed, and when?"], ["--json=", "Who signed, and when?"]),
        (["--json", "text,confidence", "Who?"], ["--json=text,confidence", "Who?"]),
        (["Who?", "--json"], ["Who?", "--json="]),
        (["--", "--json", "a,b"], ["--", "--json", "a,b"]),
        (["--json", "text", "Who signed?"], ["--json=text", "Who signed?"]),
        (["Who?", "--json", "text"], ["Who?", "--json=text"]),
        (["--json", "who", "signed"], ["--json=", "who", "signed"]),
    ],
)
def test_a_question_after_json_stays_a_question(arguments: list[str], read: list[str]) -> None:
    def values(words: list[str]) -> list[str]:
        return [word for word in words if not word.startswith("--")]

    assert with_json_fields(arguments, values, takes=None) == read


def test_one_field_is_named_before_and_after_what_is_asked(filled: Run) -> None:
    question = "When was the deal signed?"
    for arguments in (("--json", "answer", question), (question, "--json", "answer")):
        assert json.loads(filled.out("ask", *arguments)) == {"answer": "2015"}
    printed = filled.out("show", "--json", "title", "docs/deal.md")
    assert json.loads(printed) == {"title": "The deal"}


def test_completion_suggests_commands_and_options() -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_RAG_COMPLETE" in CliRunner().invoke(cli, ["--completion", shell]).stdout
    for words, suggestion in (("rag index d", "plain,doctor"), ("rag ask --sh", "--show-removed")):
        environment = {"_RAG_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "2"}
        completed = CliRunner().invoke(cli, prog_name="rag", env=environment)
        assert suggestion in completed.stdout
