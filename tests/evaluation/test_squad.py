"""SQuAD scores against values computed by hand, a second implementation, and torchmetrics."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.text import SQuAD

from rag.evaluation.squad import exact, f1, is_right, normalize

GOLD = Path(__file__).parents[2] / "eval/gold/seeds.jsonl"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The JCPOA.", "jcpoa"),
        ("14 July, 2015", "14 july 2015"),
        ("3.67%", "367"),  # punctuation is removed without leaving a space
        ("$1.7 billion", "17 billion"),
        ("U.S.", "us"),
        ("a  an\tthe", ""),
        ("theatre an answer", "theatre answer"),
        ("a-the-b", "atheb"),  # punctuation is removed before articles
        ("\u201cquoted\u201d", "\u201cquoted\u201d"),  # only ASCII punctuation is removed
        ("Caf\u00e9", "caf\u00e9"),
    ],
)
def test_normalize(text: str, normal: str) -> None:
    assert normalize(text) == normal


@pytest.mark.parametrize(
    ("said", "accepted", "em", "overlap"),
    [
        ("2015", ["2015"], 1, 1),
        ("the 2015.", ["2015"], 1, 1),
        ("July 2015", ["14 July 2015"], 0, 0.8),
        ("in Vienna", ["Vienna"], 0, 2 / 3),
        ("Vienna Vienna", ["Vienna"], 0, 2 / 3),
        ("Oman", ["Muscat", "Oman"], 1, 1),
        ("Sultan of Oman", ["Oman", "the Sultan"], 0, 0.5),
        ("", ["Oman"], 0, 0),
        (None, ["Oman"], 0, 0),
        (None, [], 1, 1),
        ("Oman", [], 0, 0),
        ("The", ["a"], 1, 1),  # both are empty after normalisation
        ("Oman", ["the", "Oman"], 1, 1),  # an empty gold answer does not count
        (None, ["the", "Oman"], 0, 0),
    ],
)
def test_by_hand(said: str | None, accepted: list[str], em: float, overlap: float) -> None:
    assert exact(said, accepted) == em
    assert f1(said, accepted) == pytest.approx(overlap, abs=1e-9)


def test_right_answers_overlap_by_half() -> None:
    assert is_right("Sultan of Oman", ["Oman"])
    assert not is_right("the Sultan and all of Oman", ["Oman"])
    assert is_right("2015", ["14 July 2015", "July 14"])
    assert not is_right("2 miles", ["21 miles"])
    assert not is_right("15 March 2012", ["17 March 2012"])
    assert not is_right("24 November 2013", ["July 2012"])
    assert not is_right(None, [])
    assert not is_right("the", [])


def oracle(said: str, wanted: str) -> tuple[float, float]:
    """A second implementation, which strikes out tokens one by one."""
    one, other = (
        [w for w in _bare(text).split() if w not in ("a", "an", "the")] for text in (said, wanted)
    )
    rest, common = list(other), 0
    for token in one:
        if token in rest:
            rest.remove(token)
            common += 1
    if not common:
        return float(one == other), float(one == other)
    precision, recall = common / len(one), common / len(other)
    return float(one == other), 2 * precision * recall / (precision + recall)


def _bare(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter not in string.punctuation)


WORDS = st.lists(
    st.sampled_from("the a an Oman, July 14 3.67% Muscat Muscat. -".split()), max_size=8
).map(" ".join)


@given(
    said=WORDS,
    accepted=st.lists(WORDS.filter(lambda text: normalize(text) != ""), min_size=1, max_size=3),
)
def test_against_the_second_implementation(said: str, accepted: list[str]) -> None:
    both = [oracle(said, wanted) for wanted in accepted]
    assert exact(said, accepted) == max(em for em, _ in both)
    assert f1(said, accepted) == pytest.approx(max(overlap for _, overlap in both), abs=1e-9)


def test_against_torchmetrics_on_the_gold_questions_that_ship() -> None:
    questions = [q for line in GOLD.read_text().splitlines() if (q := json.loads(line))["answers"]]
    said = [q["answers"][-1] if n % 3 else q["question"] for n, q in enumerate(questions)]
    metric = SQuAD()
    metric.update(
        [{"id": q["id"], "prediction_text": text} for q, text in zip(questions, said, strict=True)],
        [
            {
                "id": q["id"],
                "answers": {"text": q["answers"], "answer_start": [0] * len(q["answers"])},
            }
            for q in questions
        ],
    )
    theirs = metric.compute()
    ours = [
        (exact(text, q["answers"]), f1(text, q["answers"]))
        for q, text in zip(questions, said, strict=True)
    ]
    em, overlap = (100 * sum(column) / len(ours) for column in zip(*ours, strict=True))
    assert em == pytest.approx(float(theirs["exact_match"]), abs=1e-4)  # theirs is float32
    assert overlap == pytest.approx(float(theirs["f1"]), abs=1e-4)
