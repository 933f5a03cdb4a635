"""Runs of a gold set: rows, figures, files, the page, resuming, comparing and gating."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import lxml.html
import pytest

from rag.errors import InputError
from rag.evaluation import gates, runs
from rag.evaluation.evaluator import Evaluator
from rag.evaluation.gold import Gold, Question
from rag.evaluation.report.page import page, write
from rag.evaluation.report.summary import comparison_text
from rag.evaluation.result import Result, compare, summarise
from rag.evaluation.runs import run
from rag.evaluation.squad import exact_match, f1
from rag.protocols import ReaderOutput
from rag.types import Hit
from tests.evaluation.helpers import QUESTIONS, UNANSWERABLE, engine, examine, store
from tests.fakes import NameReader

GOLD = Gold("town", (*QUESTIONS, UNANSWERABLE))
HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(1)">\u202e'


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
    counts = {"questions": 9, "answerable": 8, "unanswerable": 1, "documents": 9, "missed": 1}
    assert result.summary.counts == counts
    assert result.summary.stages == {"unsupported": 1}
    assert result.facts["index"]["documents"] == 8
    assert result.facts["settings"]["top_k"] == "2"


def test_facts_name_the_environment_without_passwords(tmp_path: Path) -> None:
    town_engine = engine(store(tmp_path), store="postgresql://me:secret@host/db")
    facts = runs.of_index(town_engine)
    assert "secret" not in json.dumps(facts)
    digests = facts["models"]["calibration"], facts["models"]["reader"], facts["index"]["sha256"]
    assert [len(digest) for digest in digests] == [64] * 3
    town_engine.store.delete("docs/lake")
    assert runs.of_index(town_engine)["index"]["sha256"] != facts["index"]["sha256"]
    assert runs.commit()


def test_a_stopped_run_resumes_with_its_own_rows_only(tmp_path: Path) -> None:
    opened = store(tmp_path / "index")
    for rows_left, changes in ((5, {}), (8, {"top_k": 3}), (5, {})):  # each starts anew
        with pytest.raises(KeyboardInterrupt):
            run(GOLD, engine(opened, Stopping(rows_left), **changes), tmp_path)
    (partial,) = tmp_path.glob("town-*.partial.jsonl")
    header, *rows = partial.read_text().split("\n")
    # a line end for splitlines, but not in JSON
    text = "\n".join([header, *(row.replace("?", "\u2028?", 1) for row in rows)])
    assert "\u2028" in text
    partial.write_text(text + '["cut off')
    resumed = Stopping(4)
    assert len(run(GOLD, engine(opened, resumed), tmp_path).rows) == 9
    assert resumed.left == 0
    assert not list(tmp_path.glob("*.partial.jsonl"))


def test_what_cannot_be_asked_or_written_is_reported_first(tmp_path: Path) -> None:
    stopping_engine = engine(store(tmp_path / "index"), Stopping(0))
    questions = (*QUESTIONS, Question("long", "x" * 2000))
    with pytest.raises(InputError, match="gold question long"):
        run(Gold("town", questions), stopping_engine, tmp_path)
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        run(GOLD, stopping_engine, tmp_path / "out")


def test_the_answers_hits_are_the_first_ranked_ones(tmp_path: Path) -> None:
    """Ranks come from a search separate from the answer; both must agree."""
    town_engine = engine(store(tmp_path))
    for question in QUESTIONS:
        ranking = town_engine.search(question.text, town_engine.settings.first_stage_k)
        assert list(town_engine.ask(question.text).hits) == ranking[:2]


def test_retrieval_alone_needs_no_reader(tmp_path: Path) -> None:
    with_reader = engine(store(tmp_path))
    examiner = Evaluator(with_reader.retriever)
    rows = [examiner.examine(replace(q, answers=(), evidence=())) for q in QUESTIONS]
    summary = summarise(rows)
    names = ("recall@1", "recall@5", "recall@10", "recall@20", "mrr@10", "ndcg@10")
    assert summary.metrics == dict.fromkeys(names, 1.0)
    assert summary.risk == []


def test_every_figure_can_be_computed_again_from_the_json(result: Result, tmp_path: Path) -> None:
    json_file, html, markdown = write(result, None, [], tmp_path)
    content = json.loads(json_file.read_text())
    columns = content["questions"]["columns"]
    rows = [dict(zip(columns, values, strict=True)) for values in content["questions"]["rows"]]
    for row in rows:
        assert row["em"] == exact_match(row["text"], row["answers"])
        assert row["f1"] == pytest.approx(f1(row["text"], row["answers"]), abs=1e-6)
    mean = sum(row["f1"] for row in rows) / len(rows)
    assert content["metrics"]["f1"] == pytest.approx(mean, abs=1e-6)
    loaded = Result.load(json_file)
    assert loaded.rows == list(result.rows)
    assert loaded.as_dict() == result.as_dict()
    assert json_file.read_text().count("\n[") == len(rows)  # one line per question
    assert "| F1 |" in markdown.read_text()
    assert html.stat().st_size > 10_000


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 9, "facts": {}, "questions": {}}'])
def test_other_files_are_not_results(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(InputError, match="not a result of rag eval"):
        Result.load(tmp_path / "a.json")


def worse(result: Result) -> Result:
    """With six wrong answers."""
    wrong = [
        replace(row, text="wrong", guess="wrong", em=0.0, f1=0.0, right=False)
        for row in result.rows[:6]
    ]
    return Result.of(result.facts, [*wrong, *result.rows[6:]])


def test_two_results_are_compared_over_their_common_questions(result: Result) -> None:
    comparison = compare(result, worse(result))
    assert (comparison.questions, comparison.alone) == (9, 0)
    assert (len(comparison.gained), len(comparison.lost)) == (0, 6)
    change = comparison.changes["f1"]
    assert change.after - change.before == pytest.approx(-6 / 9)
    assert change.is_sure
    assert not compare(result, result).changes["f1"].is_sure
    text = comparison_text(result, worse(result), comparison)
    assert "6 lost" in text
    assert '"1937" -> "wrong"' in text
    fewer = Result.of(result.facts, result.rows[:5])
    assert (compare(result, fewer).questions, compare(result, fewer).alone) == (5, 4)
    of_other_questions = Result.of(
        result.facts, [replace(row, question="?") for row in result.rows]
    )
    with pytest.raises(InputError, match="no question in common"):
        compare(result, of_other_questions)


def test_bounds(result: Result, tmp_path: Path) -> None:
    minimums = ["f1_answerable=100", "abstention_recall=50", "questions_per_second=0.001"]
    bounds = gates.parse(minimums, ["ece=0", "p95_ms=1e9"])
    verdicts = gates.verdicts(bounds, result.summary)
    assert [verdict.passed for verdict in verdicts] == [True, False, True, False, True]
    assert str(verdicts[1]) == "FAIL  abstention_recall ≥ 50: 0.00"
    gates.junit(result, verdicts, tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("5", "2")
    failed = [case.get("name") for case in suite.iter("testcase") if len(case)]
    assert failed == ["abstention_recall ≥ 50", "ece ≤ 0"]


def test_a_missing_figure_fails_its_bound(tmp_path: Path) -> None:
    rows = examine(engine(store(tmp_path)), [UNANSWERABLE])
    (verdict,) = gates.verdicts(gates.parse(["recall@10=1"]), summarise(rows))
    assert not verdict.passed
    assert "not measured" in str(verdict)


@pytest.mark.parametrize(
    ("lower_bounds", "upper_bounds", "words"),
    [
        (["f1_answerble=3"], [], "did you mean f1_answerable?"),
        (["f1"], [], "the bound is missing"),
        (["f1=much"], [], "'much' is not a number"),
        (["ece=3"], [], "--fail-over ece=3"),
        ([], ["f1=3"], "--fail-under f1=3"),
    ],
)
def test_invalid_bounds(lower_bounds: list[str], upper_bounds: list[str], words: str) -> None:
    with pytest.raises(InputError) as error:
        gates.parse(lower_bounds, upper_bounds)
    assert words in str(error.value)


def test_the_page_shows_every_figure_and_miss_and_fetches_nothing(result: Result) -> None:
    html = page(result, None, gates.verdicts(gates.parse(["f1=100"]), result.summary))
    tree = lxml.html.document_fromstring(html)
    tags, words = list(tree.iter("*")), tree.text_content()
    assert not re.search(r"https?://|//[a-z]|@import|url\(", html)
    attributes = {name for tag in tags for name in tag.attrib}
    assert not attributes & {"src", "href", "srcset"}
    assert not any(name.startswith("on") for name in attributes)
    assert len(tree.findall(".//svg")) == 2
    policies = tree.xpath("//meta[@http-equiv]/@content")
    assert policies[0].startswith("default-src 'none'")
    assert "f1 ≥ 100" in words
    assert all(f"{100 * value:.1f}" in words for value in result.summary.metrics.values())
    values = [v for group in ("settings", "index", "models") for v in result.facts[group].values()]
    assert all(str(value) in words for value in values)
    assert tree.xpath("//tr/@data-stage") == ["unsupported"]


def test_text_of_documents_is_escaped_and_flips_are_listed(result: Result) -> None:
    texts = dict.fromkeys(("question", "text", "document", "sentence", "detail"), HOSTILE)
    rows = [replace(row, stage="reader", **texts) for row in result.rows]  # type: ignore[arg-type]
    hostile = Result.of({**result.facts, "name": HOSTILE}, rows)
    tree = lxml.html.document_fromstring(page(hostile, compare(hostile, hostile), []))
    assert len(tree.findall(".//script")) == 1
    assert tree.find(".//img") is None
    assert HOSTILE in tree.text_content()
    html = page(worse(result), compare(result, worse(result)), [])
    assert html.count('<td class="bad">lost</td>') == 6
