"""Output to a closed pipe, a full disk, and an encoding without some characters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.helpers import ROOT

pytestmark = pytest.mark.slow

TITLE = "The deal — 5 € für “all” 👍"


def shell(
    index: Path, script: str, given: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """A script that defines the command `rag` with fake models."""
    script = f'rag() {{ "{sys.executable}" -m tests.repl.faked "$@"; }}; {script}'
    known = {"RAG_INDEX": str(index), "RAG_EMBEDDER": "bag-of-words", "RAG_THRESHOLD": "0"}
    environment = {**os.environ, **known, **environment}
    return subprocess.run(
        ["bash", "-c", script], cwd=ROOT, env=environment, input=given.encode(), capture_output=True
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    docs = tmp_path_factory.mktemp("docs")
    (docs / "deal.md").write_text(f"# {TITLE}\n\nThe deal was signed in Vienna in 2015.\n")
    index = tmp_path_factory.mktemp("index")
    done = shell(index, f"rag ingest {docs} --name docs")
    assert done.returncode == 0, done.stderr
    return index


@pytest.mark.parametrize("command", ["list --json", "list"])
def test_a_pipe_that_closes_ends_it_quietly(index: Path, command: str) -> None:
    done = shell(index, f"rag {command} | true; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "command", ["list --json", "list", "ask When was the deal signed?", "repl"]
)
def test_a_full_disk_is_named(index: Path, command: str) -> None:
    done = shell(index, f"rag {command} > /dev/full", "When was the deal signed?\n")
    assert done.returncode == 2
    first, second = done.stderr.decode().splitlines()
    assert first == "rag: the output cannot be written: No space left on device"
    assert second.startswith("  free some space")


def test_an_encoding_without_the_characters_takes_the_rest(index: Path) -> None:
    done = shell(
        index,
        "rag list; rag show docs/deal.md; rag search deal; rag eval why x --answer 2015",
        PYTHONIOENCODING="latin-1",
    )
    assert done.stderr == b""
    assert (
        done.stdout.decode("latin-1").splitlines()[0] == "docs/deal.md  The deal ? 5 ? für ?all? ?"
    )


def test_json_keeps_every_character_in_any_encoding(index: Path) -> None:
    done = shell(index, "rag list --json", PYTHONIOENCODING="latin-1")
    assert json.loads(done.stdout.decode("latin-1"))[0]["title"] == TITLE
    assert TITLE.encode() in shell(index, "rag list --json", PYTHONIOENCODING="utf-8").stdout


def test_the_prompt_in_a_pipe_answers_in_any_encoding(index: Path) -> None:
    asked = "When was the — deal signed?"
    done = shell(index, "rag repl", asked, PYTHONIOENCODING="latin-1")
    assert (done.stdout[:5], done.stderr) == (b"2015\t", b"")
    done = shell(index, "rag repl --json", asked, PYTHONIOENCODING="latin-1")
    assert json.loads(done.stdout)["question"] == asked
    assert json.loads(done.stdout)["hits"][0]["passage"]["title"] == TITLE
