"""In a pipe: one question per line in, one answer per line out, and an exit code."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from rag.cli.main import main
from rag.settings import Settings

pytestmark = pytest.mark.slow

QUESTIONS = "When was the deal signed?\n\n  and when did the US leave it?\n"


def run(monkeypatch: pytest.MonkeyPatch, given: bytes, *arguments: str) -> int:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given)))
    monkeypatch.setattr("sys.argv", ["rag", "repl", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_one_answer_per_line(
    filled: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert (
        run(monkeypatch, b"\xef\xbb\xbf" + QUESTIONS.encode()) == 0
    )  # a byte order mark, written by some editors
    assert capsys.readouterr() == (
        "2015\t0.77\tdocs/deal.md:43-47\n2018\t0.65\tdocs/deal.md:84-88\n",
        "",
    )


def test_json_lines_show_the_resolved_question(
    filled: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(monkeypatch, QUESTIONS.encode(), "--json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["question"], first["text"]) == ("When was the deal signed?", "2015")
    assert (second["question"], second["text"]) == ("When did the US leave the deal?", "2018")
    assert run(monkeypatch, QUESTIONS.encode(), "--json", "--no-follow-ups") == 0
    assert (
        json.loads(capsys.readouterr().out.splitlines()[1])["question"]
        == "and when did the US leave it?"
    )


def test_the_exit_code_tells_whether_all_were_answered(
    filled: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    monkeypatch.setenv("RAG_THRESHOLD", "0.7")
    assert run(monkeypatch, QUESTIONS.encode()) == 1
    given, refused = capsys.readouterr().out.splitlines()
    assert given.startswith("2015\t")
    assert refused == 'not found\t0.65\tbest guess "2018" (65%, needs 70%)'


def test_an_invalid_line_gets_a_line_too(
    filled: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    given = b"x" * 2000 + b"\nWas it \xff?\n" + QUESTIONS.encode()
    assert run(monkeypatch, given) == 2
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "error\t\tquestion too long: 2,000 characters, limit 1,000"
    assert out[1] == "error\t\tthe question is not valid UTF-8"
    assert out[2].startswith("2015\t")
    assert run(monkeypatch, given, "--json") == 2
    assert json.loads(capsys.readouterr().out.splitlines()[1]) == {
        "question": "Was it \\xff?",
        "error": "the question is not valid UTF-8",
        "hint": "check the terminal's encoding",
    }


def test_a_missing_index_is_reported_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, QUESTIONS.encode()) == 3
    assert capsys.readouterr() == (
        "",
        f"rag: no index in {Path('index').absolute()}\n  create one with: rag ingest PATH\n",
    )


def test_filter_and_read(
    filled: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    run(monkeypatch, b"Who hosted the talks?\n", "--json", "--top-k", "1", "--filter", "type=md")
    (hit,) = json.loads(capsys.readouterr().out)["hits"]
    assert hit["passage"]["document_id"] == "docs/deal.md"


def test_each_answer_precedes_the_next_question(filled: Settings) -> None:
    command = [
        sys.executable,
        "-m",
        "tests.repl.faked",
        "repl",
        "--index",
        str(filled.index.resolve()),
    ]
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as asked:
        assert asked.stdin
        assert asked.stdout
        for question, answer in (
            ("When did the US leave the deal?", "2018"),
            ("When was the deal signed?", "2015"),
        ):
            asked.stdin.write(f"{question}\n")
            asked.stdin.flush()
            assert asked.stdout.readline().startswith(f"{answer}\t")
        asked.stdin.close()
        assert asked.wait() == 0
