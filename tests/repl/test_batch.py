"""In a pipe: one question per line in, one answer per line out, and an exit code."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rag.settings import Settings
from tests.cli.helpers import Run
from tests.store.helpers import ROOT

QUESTIONS = b"When was the deal signed?\n\n  and when did the US leave it?\n"


Ask = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def ask(
    filled: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Ask:
    """Pipes questions into `rag repl`: its exit code and the lines of its output."""
    capsys.readouterr()
    run = Run(monkeypatch, capsys)

    def call(text: bytes, *arguments: str) -> tuple[int, list[str]]:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
        code, out, err = run("repl", *arguments)
        return code, [*out.splitlines(), *err.splitlines()]

    return call


def test_one_answer_per_line(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["2015\t0.77\tdocs/deal.md:43-47", "2018\t0.65\tdocs/deal.md:84-88"]
    assert ask(b"\xef\xbb\xbf" + QUESTIONS) == (0, lines), "some editors write a byte order mark"
    code, lines = ask(QUESTIONS, "--json")
    assert code == 0
    assert [(answer["question"], answer["answer"]) for answer in map(json.loads, lines)] == [
        ("When was the deal signed?", "2015"),
        ("When did the US leave the deal?", "2018"),
    ]
    _, (_, second_answer) = ask(QUESTIONS, "--json", "--no-follow-ups")
    assert json.loads(second_answer)["question"] == "and when did the US leave it?"
    _, (answered,) = ask(
        b"Who hosted the talks?\n", "--json", "--top-k", "1", "--filter", "type=md"
    )
    (hit,) = json.loads(answered)["nearest"]
    assert hit["document_id"] == "docs/deal.md"
    monkeypatch.setenv("RAG_THRESHOLD", "0.7")
    code, (answered, refused) = ask(QUESTIONS)
    assert (code, answered.startswith("2015\t")) == (1, True)
    assert refused == 'not found\t0.65\tbest guess "2018" (65%, needs 70%)'


def test_an_invalid_line_gets_a_line_too(ask: Ask) -> None:
    text = b"x" * 2000 + b"\nWas it \xff?\n" + QUESTIONS
    code, lines = ask(text)
    assert code == 2
    assert lines[0] == "error\t\tquestion too long: 2,000 characters, limit 1,000"
    assert lines[1] == "error\t\tthe question is not valid UTF-8"
    assert lines[2].startswith("2015\t")
    assert json.loads(ask(text, "--json")[1][1]) == {
        "question": "Was it \\xff?",
        "error": "the question is not valid UTF-8",
        "hint": "check the terminal's encoding",
    }
    missing = f"rag: no index in {Path('none').absolute()}"
    hint = "  create one with: rag ingest PATH --index none"
    assert ask(QUESTIONS, "--index", "none") == (3, [missing, hint])


@pytest.mark.slow
def test_each_answer_precedes_the_next_question(filled: Settings) -> None:
    index = str(filled.index.resolve())
    command = [sys.executable, "-m", "tests.repl.faked", "repl", "--index", index]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        for question, answer in (
            ("When did the US leave the deal?", "2018"),
            ("When was the deal signed?", "2015"),
        ):
            process.stdin.write(f"{question}\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith(f"{answer}\t")
        process.stdin.close()
        assert process.wait() == 0
