from pathlib import Path

import pytest

from rag.answering.confidence import Confidence
from rag.answering.features import features
from rag.answering.mention import QuestionAnalysis
from rag.errors import ModelError
from rag.models.registry import READERS, calibration_path
from rag.types import Hit, Passage, Span


def test_a_probability_that_grows_with_the_evidence() -> None:
    model = Confidence({"gap": 1.0, "margin": 0.5}, 0.0, 0.5, 0.0)
    low, high = model({"gap": -3.0, "margin": 0.0}), model({"gap": 3.0, "margin": 2.0})
    assert 0 < low < 0.5 < high < 1
    assert model({"gap": 1e9, "margin": 0.0}) <= 1.0


@pytest.mark.parametrize("reader", READERS)
def test_the_shipped_model_uses_existing_features(reader: str) -> None:
    model = Confidence.load(calibration_path("default", reader))
    passage = Passage("d", 0, 10, "Vienna won", "t", "")
    asked = QuestionAnalysis.of("where?")
    (candidate,) = model.rank(asked, [Span(Hit(passage, 1, 1, 1), 0, 6, 2.0)])
    assert 0 <= model(features(candidate, [candidate])) <= 1
    assert 0 < model.threshold < 1
    assert len(model.digest) == 64


@pytest.mark.parametrize(
    ("question", "date"),
    [
        ("When was it signed?", True),
        ("Can you say when it was signed?", True),
        ("Since when is it closed?", True),
        ("What year was it signed?", True),
        ("What happens when the rent is late?", False),
        ("Which year-end bonus do managers get?", False),
    ],
)
def test_questions_for_a_date(question: str, date: bool) -> None:
    assert QuestionAnalysis.of(question).date is date


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("What was net income in 2023?", "71"),
        ("What was net interest income in 2023?", "94"),
        ("What came in during 2023?", "94"),
    ],
)
def test_a_row_is_worse_the_more_of_its_label_is_not_asked_for(question: str, best: str) -> None:
    text = "Net income | 2023: 71 | 2022: 65\nNet interest income | 2023: 94 | 2022: 88"
    hit = Hit(Passage("d", 0, len(text), text, "t", ""), 1, 1, 1)
    spans = [
        Span(hit, text.index(one), text.index(one) + 2, score, label)
        for one, score, label in (("71", 4.0, "Net income"), ("94", 5.0, "Net interest income"))
    ]
    model = Confidence({"gap": 1.0}, 0.0, 0.5, 0.0)
    assert model.rank(QuestionAnalysis.of(question), spans)[0].best.span.text == best


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        "[1]",
        "not json",
        '{"weights": {"luck": 1}, "bias": 0, "threshold": 0.5, "retrieval": 1}',
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "confidence.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=r"confidence\.json"):
        Confidence.load(path)


def test_when_prefers_dates() -> None:
    passage = Passage("d", 0, 39, "The JCPOA was signed in Vienna in 2015.", "t", "")
    spans = [Span(Hit(passage, 1, 1, 1), 24, 30, 2.0), Span(Hit(passage, 1, 1, 1), 34, 38, 1.0)]
    model = Confidence({}, 0.0, 0.5, 20.0, 2.0)
    ranked = model.rank(QuestionAnalysis.of("When was the JCPOA signed?"), spans)
    assert [c.spans[0].text for c in ranked] == ["2015", "Vienna"]
    ranked = model.rank(QuestionAnalysis.of("Where was it signed?"), spans)
    assert ranked[0].spans[0].text == "Vienna"
