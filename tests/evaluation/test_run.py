"""Runs of a gold set: rows, figures, files, resuming, comparing and gating."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from rag.answering.searcher import Searcher
from rag.errors import InputError
from rag.evaluation import gates, runs
from rag.evaluation.evaluator import Evaluator
from rag.evaluation.gold import Gold, Question
from rag.evaluation.records import Row
from rag.evaluation.report import page
from rag.evaluation.report import summary as words
from rag.evaluation.result import Result, compare, summarise
from rag.evaluation.runs import run
from rag.evaluation.squad import exact, f1
from rag.protocols import ReaderOutput
from rag.types import Hit
from tests.evaluation.helpers import QUESTIONS, UNANSWERABLE, engine, examine, store
from tests.fakes import NameReader

GOLD = Gold("town", (*QUESTIONS, UNANSWERABLE))


class Stopping(NameReader):
    """Is interrupted after a number of questions."""

    def __init__(self, questions: int) -> None:
        self.left = questions

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().read(question, hits)


@pytest.fixture
def result(tmp_path: Path) -> Result:
    return run(GOLD, engine(store(tmp_path / "index")), tmp_path / "out")


def test_every_question_has_a_row_in_order(result: Result) -> None:
    assert [row.id for row in result.rows] == [question.id for question in GOLD.questions]
    assert list(result.summary.counts.items()) == [
        *(("questions", 9), ("answerable", 8), ("unanswerable", 1), ("documents", 9), ("missed", 1))
    ]
    assert result.summary.stages == {"unsupported": 1}
    assert result.facts["index"]["documents"] == 8
    assert result.facts["settings"]["top_k"] == "2"


def test_facts_name_the_environment_without_passwords(tmp_path: Path) -> None:
    asked = engine(store(tmp_path), store="postgresql://me:secret@host/db")
    found = runs.of_searcher(asked)
    assert "secret" not in json.dumps(found)
    digests = found["models"]["calibration"], found["models"]["reader"], found["index"]["sha256"]
    assert [len(digest) for digest in digests] == [64] * 3
    before = found["index"]["sha256"]
    asked.store.delete("docs/lake")
    assert runs.of_searcher(asked)["index"]["sha256"] != before
    assert runs.commit()


def test_a_stopped_run_resumes(tmp_path: Path) -> None:
    opened = store(tmp_path / "index")
    with pytest.raises(KeyboardInterrupt):
        run(GOLD, engine(opened, Stopping(5)), tmp_path)
    (partial,) = tmp_path.glob("town-*.partial.jsonl")
    first, *rows = partial.read_text().split("\n")
    # a line end for splitlines, but not in JSON
    text = "\n".join([first, *(row.replace("?", "\u2028?", 1) for row in rows)])
    assert "\u2028" in text
    partial.write_text(text + '["cut off')
    resumed = Stopping(4)
    found = run(GOLD, engine(opened, resumed), tmp_path)
    assert resumed.left == 0
    assert len(found.rows) == 9
    assert not list(tmp_path.glob("*.partial.jsonl"))


def test_rows_of_another_index_or_other_settings_are_not_used(tmp_path: Path) -> None:
    opened = store(tmp_path / "index")
    with pytest.raises(KeyboardInterrupt):
        run(GOLD, engine(opened, Stopping(5)), tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(GOLD, engine(opened, Stopping(8), top_k=3), tmp_path)
    opened.delete("docs/lake")
    with pytest.raises(KeyboardInterrupt):
        run(GOLD, engine(opened, Stopping(8), top_k=3), tmp_path)


def test_long_questions_are_reported_first(tmp_path: Path) -> None:
    questions = (*QUESTIONS, Question("long", "x" * 2000))
    with pytest.raises(InputError, match="gold question long"):
        run(Gold("town", questions), engine(store(tmp_path / "index"), Stopping(0)), tmp_path)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        run(GOLD, engine(store(tmp_path / "index")), tmp_path / "out")


def test_the_answers_hits_are_the_first_ranked_ones(tmp_path: Path) -> None:
    """Ranks come from a search separate from the answer; both must agree."""
    asked = engine(store(tmp_path))
    for question in QUESTIONS:
        assert (
            list(asked.ask(question.text).hits)
            == asked.search(question.text, asked.settings.first_stage_k)[:2]
        )


def test_retrieval_alone_needs_no_reader(tmp_path: Path) -> None:
    whole = engine(store(tmp_path))
    searcher = Searcher(whole.settings, whole.store, whole.retriever)
    rows = [
        Evaluator(searcher).examine(replace(question, answers=(), evidence=()))
        for question in QUESTIONS
    ]
    summary = summarise(rows)
    assert summary.metrics == {**dict.fromkeys(summary.metrics, 1.0)}
    assert set(summary.metrics) == {
        *("recall@1", "recall@5", "recall@10", "recall@20", "mrr@10", "ndcg@10")
    }
    assert summary.risk == []


def test_every_figure_can_be_computed_again_from_the_json(result: Result, tmp_path: Path) -> None:
    json_file, html, markdown = page.write(result, None, [], tmp_path)
    found = json.loads(json_file.read_text())
    rows = [
        dict(zip(found["questions"]["columns"], values, strict=True))
        for values in found["questions"]["rows"]
    ]
    for row in rows:
        assert row["em"] == exact(row["text"], row["answers"])
        assert row["f1"] == pytest.approx(f1(row["text"], row["answers"]), abs=1e-6)
    assert found["metrics"]["f1"] == pytest.approx(
        sum(row["f1"] for row in rows) / len(rows), abs=1e-6
    )
    assert (
        found["metrics"]["evidence@5"]
        == sum((row["rank"] or 99) <= 5 for row in rows if row["answers"]) / 8
    )
    again = Result.load(json_file)
    assert again.rows == list(result.rows)
    assert again.as_dict() == result.as_dict()
    assert json_file.read_text().count("\n[") == len(rows)  # one line per question
    assert "| F1 |" in markdown.read_text()
    assert html.stat().st_size > 10_000


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 9, "facts": {}, "questions": {}}'])
def test_other_files_are_not_results(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match="not a result of rag eval"):
        Result.load(tmp_path / "a.json")


def flipped(rows: Sequence[Row], count: int) -> list[Row]:
    bad = [
        replace(row, text="wrong", guess="wrong", em=0.0, f1=0.0, right=False)
        for row in rows[:count]
    ]
    return [*bad, *rows[count:]]


def test_two_results_compared(result: Result) -> None:
    worse = Result.of(result.facts, flipped(result.rows, 6))
    found = compare(result, worse)
    assert (found.questions, found.alone, len(found.gained), len(found.lost)) == (9, 0, 0, 6)
    change = found.changes["f1"]
    assert change.after - change.before == pytest.approx(-6 / 9)
    assert change.sure
    assert not compare(result, result).changes["f1"].sure
    assert compare(worse, result).changes["f1"].interval == pytest.approx(
        [-b for b in reversed(change.interval or ())]
    )
    text = words.comparison_text(result, worse, found)
    assert "6 lost" in text
    assert '"1937" -> "wrong"' in text


def test_only_common_questions_are_compared(result: Result) -> None:
    fewer = Result.of(result.facts, result.rows[:5])
    assert (compare(result, fewer).questions, compare(result, fewer).alone) == (5, 4)
    other = Result.of(result.facts, [replace(row, question="?") for row in result.rows])
    with pytest.raises(InputError, match="no question in common"):
        compare(result, other)


def test_bounds(result: Result, tmp_path: Path) -> None:
    bounds = gates.parse(
        ["f1_answerable=100", "abstention_recall=50", "questions_per_second=0.001"],
        ["ece=0", "p95_ms=1e9"],
    )
    found = gates.verdicts(bounds, result.summary)
    assert [verdict.passed for verdict in found] == [True, False, True, False, True]
    assert str(found[1]) == "FAIL  abstention_recall ≥ 50: 0.00"
    gates.junit(result, found, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("5", "2")
    assert [case.get("name") for case in suite.iter("testcase") if len(case)] == [
        "abstention_recall ≥ 50",
        "ece ≤ 0",
    ]


def test_a_missing_figure_fails_its_bound(tmp_path: Path) -> None:
    rows = examine(engine(store(tmp_path)), [UNANSWERABLE])
    (verdict,) = gates.verdicts(gates.parse(["recall@10=1"]), summarise(rows))
    assert not verdict.passed
    assert "not measured" in str(verdict)


@pytest.mark.parametrize(
    ("under", "over", "said"),
    [
        (["f1_answerble=3"], [], "did you mean f1_answerable?"),
        (["f1"], [], "the bound is missing"),
        (["f1=much"], [], "'much' is not a number"),
        (["ece=3"], [], "--fail-over ece=3"),
        ([], ["f1=3"], "--fail-under f1=3"),
    ],
)
def test_invalid_bounds(under: list[str], over: list[str], said: str) -> None:
    with pytest.raises(InputError) as error:
        gates.parse(under, over)
    assert said in str(error.value)
