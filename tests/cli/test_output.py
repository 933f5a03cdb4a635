"""Output to a closed pipe, a full disk, and an encoding without some characters."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.helpers import Run
from tests.store.helpers import ROOT

TITLE = "The deal — 5 € für “all” 👍"
ASKED = "When was the — deal signed?"
FULL = Path("/dev/full")
FULL_DISK = "rag: the output cannot be written: No space left on device\n  free some space"
has_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")


@pytest.fixture
def titled(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run` with one document in the index, and a question on stdin."""
    Path("docs/oman.txt").unlink()
    Path("docs/deal.md").write_text(f"# {TITLE}\n\nThe deal was signed in Vienna in 2015.\n")
    run("ingest", "docs")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(ASKED.encode()), "latin-1"))
    return run


def bytes_written(run: Run, command: str, encoding: str) -> bytes:
    """What a command writes to a stream of this encoding."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout", stream)
        assert run(*command.split())[1:] == ("", "")
    stream.seek(0)
    return stream.buffer.read()


@pytest.mark.parametrize("command", ["list --json", "list"])
def test_a_pipe_that_closes_ends_it_quietly(
    titled: Run, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr("sys.stdout", pipe)
        assert titled(*command.split()) == (141, "", "")


@has_full
@pytest.mark.parametrize("command", ["list --json", "list", f"ask {ASKED}", "repl"])
def test_a_full_disk_is_named(titled: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as device:
        monkeypatch.setattr("sys.stdout", device)
        err = titled.error(*command.split())
    assert err.startswith(FULL_DISK)
    assert err.count("\n") == 2


@has_full
@pytest.mark.slow
def test_python_writes_nothing_more_at_its_end(titled: Run) -> None:
    rag = f'"{sys.executable}" -m tests.repl.faked list'
    script = f"{rag} | true; echo ${{PIPESTATUS[0]}}; {rag} > /dev/full; echo $?"
    environ = {**os.environ, "RAG_INDEX": str(Path("index").absolute())}
    process = subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True, check=True
    )
    assert process.stdout == "141\n2\n"
    assert process.stderr.startswith(FULL_DISK)
    assert process.stderr.count("\n") == 2


def test_an_encoding_without_the_characters_takes_the_rest(titled: Run) -> None:
    listed = "docs/deal.md  The deal ? 5 ? für ?all? ?\n"
    assert bytes_written(titled, "list", "latin-1").decode("latin-1") == listed
    for command in ("show docs/deal.md", "search deal", "eval why x --answer 2015"):
        assert bytes_written(titled, command, "latin-1")


def test_json_keeps_every_character_in_any_encoding(titled: Run) -> None:
    listed = bytes_written(titled, "list --json", "latin-1").decode("latin-1")
    assert json.loads(listed)[0]["title"] == TITLE
    assert TITLE.encode() in bytes_written(titled, "list --json", "utf-8")


@pytest.mark.parametrize("options", ["", " --json"])
def test_the_prompt_in_a_pipe_answers_in_any_encoding(titled: Run, options: str) -> None:
    answer = bytes_written(titled, f"repl{options}", "latin-1")
    if not options:
        assert answer[:5] == b"2015\t"
        return
    assert json.loads(answer)["question"] == ASKED
    assert json.loads(answer)["nearest"][0]["title"] == TITLE
