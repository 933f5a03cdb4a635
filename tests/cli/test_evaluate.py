"""`rag eval` and `rag eval why` on the command line."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from rag.evaluation import metrics
from tests.cli.helpers import Run

QUESTIONS: list[dict[str, Any]] = [
    {
        "id": "exit",
        "question": "When did the US leave the deal?",
        "answers": ["2018"],
        "evidence": [{"document": "docs/deal.md", "sentence": "The US left the deal in 2018."}],
    },
    {
        "id": "talks",
        "question": "In which city did Oman host the secret talks?",
        "answers": ["Muscat"],
    },
    {"id": "none", "question": "Which cheese is made of moonlight?"},
]


@pytest.fixture(autouse=True)
def gold(run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(metrics, "DRAWS", 20)
    path = Path("gold.jsonl")
    path.write_text("\n".join(map(json.dumps, QUESTIONS)) + "\n")
    return path


def test_eval_prints_scores_and_writes_reports(filled: Run) -> None:
    files = sorted(Path().glob("*"))
    unkept = filled.out("eval", "run", "gold.jsonl")
    assert "\nNo report was written; --out FOLDER writes them" in unkept
    assert sorted(Path().glob("*")) == files
    out = filled.out("eval", "run", "gold.jsonl", "--out", "out")
    assert out.startswith("gold, commit ")
    counted = "3 questions (2 answerable, 1 unanswerable) of 2 documents, 3 passages"
    assert counted in out.splitlines()[0]
    assert "  F1, answerable                     100.0" in out
    assert "       1  answered without support" in out
    assert '          "Oman"' in out
    written = out.splitlines()[-3:]
    assert [Path(path).suffix for path in written] == [".json", ".html", ".md"]
    assert all(Path(path).stat().st_size for path in written)


def test_a_library_that_was_removed_is_named(filled: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ir_measures", None)
    err = filled.error("eval", "run", "gold.jsonl")
    assert err.startswith("rag: ir_measures is not installed\n  run: pip install ")


def test_bounds_decide_the_exit_status(filled: Run) -> None:
    result = filled.json(
        "eval", "run", "gold.jsonl", "--out", "out", "--fail-under", "em_answerable=99"
    )
    assert (result["metrics"]["em_answerable"], "questions" in result) == (1.0, False)
    gate = {"name": "em_answerable", "bound": 99.0, "value": 100.0, "passed": True}
    assert result["gates"] == [gate]
    code, out, err = filled(
        "eval", "run", "gold.jsonl", "--out", "out", "--fail-under", "f1=99", "--junit", "junit.xml"
    )
    assert (code, err) == (1, "rag: bound not met: f1 ≥ 99: 66.67\n")
    assert "FAIL  f1 ≥ 99: 66.67" in out
    assert 'failures="1"' in Path("junit.xml").read_text()


def test_a_corpus_is_asked_without_touching_the_index(run: Run) -> None:
    out = run.out("eval", "run", "gold.jsonl", "--corpus", "docs", "--out", "out", "--limit", "2")
    assert "2 questions" in out
    assert not Path("index").exists()


def test_squad_has_its_own_documents_and_can_keep_their_index(run: Run) -> None:
    answer = {"text": "1937", "answer_start": 25}
    qas = [{"id": "1", "question": "When was the bridge opened?", "answers": [answer]}]
    paragraphs = [{"context": "The bridge was opened in 1937.", "qas": qas}]
    article = {"title": "Bridge", "paragraphs": paragraphs}
    Path("tiny.json.gz").write_bytes(gzip.compress(json.dumps({"data": [article]}).encode()))
    for _ in range(2):
        out = run.out("eval", "run", "tiny.json.gz", "--index", "kept", "--out", "out")
        assert "1 question (1 answerable) of 1 document, " in out
    assert run("list", "--index", "kept")[1] == "Bridge/0  Bridge\n"
    error = run.error("eval", "run", "tiny.json.gz", "--corpus", "docs")
    assert "contains its own documents" in error


def test_two_results_are_compared(filled: Run) -> None:
    out = filled.out("eval", "run", "gold.jsonl", "--out", "a")
    baseline = out.splitlines()[-3]
    out = filled.out("eval", "run", "gold.jsonl", "--out", "b", "--baseline", baseline)
    result = out.splitlines()[-3]
    out = filled.out("eval", "compare", baseline, result)
    assert "3 questions in common" in out.splitlines()[0]
    assert "0 gained" in out
    comparison = filled.json("eval", "compare", baseline, result)
    assert comparison["metrics"]["f1"]["difference"] == 0
    assert (comparison["gained"], comparison["lost"]) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run", "Missing argument 'GOLD'"),
        ("run absent.jsonl", "no gold set absent.jsonl"),
        ("run gold.jsonl --corpus docs --index i", "give --corpus or --index, not both"),
        ("run gold.jsonl --fail-under f1_answerble=3", "did you mean f1_answerable?"),
        ("run gold.jsonl --baseline gold.jsonl", "gold.jsonl is not a result of rag eval"),
        ("compare gold.jsonl gold.jsonl", "gold.jsonl is not a result of rag eval"),
        ("run gold.jsonl --corpus absent", "no such file or folder: absent"),
    ],
)
def test_invalid_options_are_reported(filled: Run, arguments: str, message: str) -> None:
    assert message in filled.error("eval", *arguments.split())


def test_why_names_the_stage_the_evidence_and_the_ranks(
    filled: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = filled.out("eval", "why", "When did the US leave", "the deal?", "--answer", "2018")
    assert out.splitlines()[0] == "not lost: the answer is correct"
    assert "rank      1 of the candidates (dense 1, lexical 1); 8 are read" in out
    question = "When did the US leave the deal?"
    out = filled.out("eval", "why", question, "--answer", "1066", code=1)
    assert out.startswith("not ingested: ")
    assert "none of the accepted answers occurs in the index" in out
    for options, hint in (
        (("1066", "--document", "docs/deal.md"), "rag show docs/deal.md"),
        (("1066", "--document", "docs/no.md"), "rag list"),
        ((" ",), ""),
    ):
        assert hint in filled.error("eval", "why", "When?", "--answer", *options)
    monkeypatch.setenv("RAG_THRESHOLD", "1")
    lines = filled.out(
        "eval", "why", question, "--answer", "2018", "--document", "docs/deal.md", code=1
    ).splitlines()
    assert lines[0] == "refused by the threshold: the best candidate was right, but not sure enough"
    assert lines[1].startswith('said      refused (best guess: "2018"), confidence 0.')
    assert lines[2] == "evidence  docs/deal.md: The US left the deal in 2018."
    assert lines[-1] == "try       a lower RAG_THRESHOLD"
    cause = filled.json("eval", "why", question, "--answer", "2018", code=1)
    assert (cause["stage"], cause["rank"], cause["document"]) == ("threshold", 1, "docs/deal.md")
