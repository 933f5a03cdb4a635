"""An address where a command takes a path is an error, and no folder of its name is made."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

import rag
from rag.cli.options import LocalPath
from rag.errors import InputError
from rag.settings import Settings
from tests.cli.helpers import Run
from tests.cli.test_help import COMMANDS

SCHEMES = "an address begins with postgresql:// or postgres://"
MIGRATE = "rag index migrate index postgresql://user@db.example/rag"


@pytest.mark.parametrize("place", ["mysql://x", "http://x/y", "postgresql:/x"])
def test_an_index_moves_to_no_unknown_scheme(filled: Run, place: str) -> None:
    before = sorted(Path().iterdir())
    for arguments in ((place, "copy"), ("index", place)):
        error = filled.error("index", "migrate", *arguments)
        assert error.startswith(f"rag: {place} is not a place for an index: {SCHEMES}\n")
        assert error.endswith(f"{MIGRATE}\n")
    assert sorted(Path().iterdir()) == before


def test_an_index_moves_to_no_empty_name(filled: Run) -> None:
    assert "the name of the index is empty: ''" in filled.error("index", "migrate", "index", "")
    assert not Path("rag.sqlite").exists()


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("list", "--index", "mysql://x"), "'--index' takes a file or folder", "give a path"),
        (
            ("ingest", "docs", "--index", "postgresql://u:secret@h/d"),
            "and postgresql://u:***@h/d is an address",
            "RAG_STORE=postgresql://u:***@h/d",
        ),
        (("index", "snapshot", "s3://x"), "'TARGET' takes a file or folder", "give a path"),
        (("index", "snapshot", "s3://x/"), "and s3://x/ is an address", "give a path"),
        (("index", "restore", "s3://x"), "'SOURCE' takes a file or folder", "give a path"),
        (("check", "https://x/y"), "and https://x/y is an address", "rag ingest URL"),
        (("verify", "https://x/y"), "and https://x/y is an address", "rag ingest URL"),
        (("sync", "https://x/"), "'FOLDER' takes a file or folder", "rag ingest URL"),
        (("eval", "run", "gold.jsonl", "--out", "s3://x"), "'--out' takes", "give a path"),
        (("ingest", "ftp://x/y"), "ftp://x/y is an address that rag does not fetch", "https://"),
        (("ingest", "file:///a/b"), "file:///a/b is an address", "give the path: /a/b"),
        (("ingest", "docs", "http://x/"), "http://x/ is a web page, and others", "http://x/"),
    ],
)
def test_it_is_named_and_nothing_is_written(
    filled: Run, arguments: tuple[str, ...], message: str, hint: str
) -> None:
    before = sorted(Path().iterdir())
    first, second = filled.error(*arguments).splitlines()
    assert message in first
    assert hint in second
    assert "secret" not in first + second
    assert sorted(Path().iterdir()) == before


def test_every_path_of_every_command_is_checked() -> None:
    for name, command in COMMANDS.items():
        for parameter in command.params:
            is_path = isinstance(parameter.type, click.Path)
            assert not is_path or isinstance(parameter.type, LocalPath), (name, parameter.name)


@pytest.mark.parametrize("name", ["index", "keys_file", "certfile", "keyfile"])
def test_a_setting_is_no_address(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} = 's3://x' in the environment is an addr") as err:
        Settings.load({f"RAG_{name.upper()}": "s3://x"})
    assert f"set RAG_{name.upper()} to a f" in err.value.hint


def test_the_library_opens_no_other_address(tmp_path: Path) -> None:
    for place in ("mysql://x", Path("s3://x")):
        with pytest.raises(InputError, match="is not a place for an index"):
            rag.open(place)
    assert rag.open(str(tmp_path / "./s3:/x")).settings.index == tmp_path / "s3:/x"
    assert rag.open("postgresql://h/d").settings.store == "postgresql://h/d"
