"""SQuAD scores against values computed by hand, and torchmetrics."""

import json
from pathlib import Path

import pytest
from torchmetrics.text import SQuAD

from rag.evaluation.squad import exact_match, f1, is_right

GOLD = Path(__file__).parents[2] / "eval/gold/seeds.jsonl"


@pytest.mark.parametrize(
    ("answer", "accepted", "em", "overlap"),
    [
        ("the 2015.", ["2015"], 1, 1),
        ("3.67%", ["367"], 1, 1),  # punctuation is removed without leaving a space
        ("a-the-b", ["atheb"], 1, 1),  # and before articles
        ("\u201cCaf\u00e9\u201d", ["caf\u00e9"], 0, 0),  # only ASCII punctuation
        ("July 2015", ["14 July 2015"], 0, 0.8),
        ("Vienna Vienna", ["Vienna"], 0, 2 / 3),
        ("Oman", ["Muscat", "Oman"], 1, 1),
        ("Sultan of Oman", ["Oman", "the Sultan"], 0, 0.5),
        (None, ["Oman"], 0, 0),
        (None, [], 1, 1),
        ("Oman", [], 0, 0),
        ("The", ["a"], 1, 1),  # both are empty after normalisation
        ("Oman", ["the", "Oman"], 1, 1),  # an empty gold answer does not count
        (None, ["the", "Oman"], 0, 0),
    ],
)
def test_by_hand(answer: str | None, accepted: list[str], em: float, overlap: float) -> None:
    assert exact_match(answer, accepted) == em
    assert f1(answer, accepted) == pytest.approx(overlap, abs=1e-9)


def test_right_answers_overlap_by_half_and_name_no_other_figures() -> None:
    assert is_right("Sultan of Oman", ["Oman"])
    assert not is_right("the Sultan and all of Oman", ["Oman"])
    assert is_right("2015", ["14 July 2015", "July 14"])
    assert not is_right("2 miles", ["21 miles"])
    assert not is_right("15 March 2012", ["17 March 2012"])
    assert not is_right(None, [])
    assert not is_right("the", [])


def test_against_torchmetrics_on_the_gold_questions_that_ship() -> None:
    questions = [q for line in GOLD.read_text().splitlines() if (q := json.loads(line))["answers"]]
    texts = [q["answers"][-1] if n % 3 else q["question"] for n, q in enumerate(questions)]
    pairs = list(zip(questions, texts, strict=True))
    metric = SQuAD()
    predictions = [{"id": q["id"], "prediction_text": text} for q, text in pairs]
    answers = [{"text": q["answers"], "answer_start": [0]} for q in questions]
    ids = [
        {"id": q["id"], "answers": accepted} for q, accepted in zip(questions, answers, strict=True)
    ]
    metric.update(predictions, ids)
    theirs = metric.compute()
    for ours, name in ((exact_match, "exact_match"), (f1, "f1")):
        mean = 100 * sum(ours(text, q["answers"]) for q, text in pairs) / len(pairs)
        assert mean == pytest.approx(float(theirs[name]), abs=1e-4)  # theirs is float32
