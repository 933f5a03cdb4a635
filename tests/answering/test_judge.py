"""The judge: its networks and their fit, its file, and its place in an answer."""

import hashlib
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from eval.experiments.fit_judge import Example, fit
from rag.answering.compose import Ruling, rank
from rag.answering.features import FEATURES, Featurizer
from rag.answering.judge import Judge
from rag.answering.proposals import candidates
from rag.errors import ModelError
from rag.evaluation.gold import Question
from rag.evaluation.usefulness import Judgement
from rag.fusion import Networks
from rag.models.registry import READERS, calibration_path, judge_path
from tests.answering.readings import Prefers, composed, hit_of, reading_of
from tests.fakes import document

LEASE = document("The lease ends in May. It can be renewed once. The rent is 900 euros.", "lease")


def files(folder: Path, features: int = len(FEATURES), **changed: Any) -> tuple[Path, Path]:
    """Two networks of one unit each that return the first feature, and twice the first."""
    weights = np.zeros((2, 1, features), np.float32)
    weights[0, 0, 0], weights[1, 0, 0] = 1, 2
    unit_weights, zeros = np.ones((2, 1, 1), np.float32), np.zeros((2, 1), np.float32)
    tensors = {
        "mean": np.zeros(features, np.float32),
        "deviation": np.ones(features, np.float32),
        "first": weights,
        "first_bias": zeros,
        "second": unit_weights,
        "second_bias": zeros,
        "last": unit_weights,
        "last_bias": zeros,
    }
    networks, calibration = folder / "judge.safetensors", folder / "confidence.json"
    networks.write_bytes(save(tensors))
    digest = hashlib.sha256(networks.read_bytes()).hexdigest()
    numbers = {"networks": digest, "slope": 2.0, "offset": 0.5, "threshold": 0.4} | changed
    calibration.write_text(json.dumps(numbers))
    return networks, calibration


def test_log_odds_are_the_mean_of_the_networks(tmp_path: Path) -> None:
    judge = Judge.load(*files(tmp_path))
    rows = np.zeros((3, len(FEATURES)), dtype=np.float32)
    rows[1, 0], rows[2, 0] = 2, 99
    assert judge.networks.log_odds(rows).tolist() == [0, 3, 7.5]
    assert judge.probability(3) == pytest.approx(1 / (1 + np.exp(-6.5)))


def test_networks_are_those_that_were_trained() -> None:
    rng = np.random.default_rng(0)
    question = Question("1", "why?", ("so",), (), {}, "d", "sentences", "", None, (), 0, ())
    examples = []
    for _ in range(400):
        rows = rng.normal(size=(8, len(FEATURES))).astype(np.float32)
        serves = (rows[:, 3] > 0).astype(float)
        judgements: tuple[Judgement, ...] = tuple(
            "useful" if is_served else "wrong" for is_served in serves
        )
        examples.append(
            Example("s", question, ("span",) * 8, ("span",) * 8, rows, judgements, serves)
        )
    networks = Networks(**fit(examples))
    rows = np.vstack([is_served.rows for is_served in examples])
    assert ((networks.log_odds(rows) > 0) == (rows[:, 3] > 0)).mean() > 0.8


@pytest.mark.parametrize("reader", READERS)
def test_the_shipped_judge_knows_every_feature(reader: str) -> None:
    judge = Judge.load(judge_path(reader), calibration_path("default", reader))
    assert 0 < judge.threshold < 1
    assert len(judge.digest) == 64
    reading = reading_of(LEASE, [0.9, 0.2, 0.1], (0.5, 0.2, 0.3), quotes=["May"])
    probabilities = judge.probabilities(candidates(reading), reading)
    assert all(0 < probability < 1 for probability in probabilities)


@pytest.mark.parametrize("text", ["", "{}", "[1]", "not json", '{"networks": "another"}'])
def test_a_broken_calibration_is_named(tmp_path: Path, text: str) -> None:
    networks, calibration = files(tmp_path)
    calibration.write_text(text)
    with pytest.raises(ModelError, match=r"confidence\.json"):
        Judge.load(networks, calibration)


def test_networks_of_other_features_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="other features"):
        Judge.load(*files(tmp_path, features=3))


@pytest.mark.parametrize("generator", ["span", "run", "yes_no"])
def test_the_likeliest_candidate_is_the_answer(generator: str) -> None:
    reading = reading_of(LEASE, [0.9, 0.2, 0.6], (0.5, 0.2, 0.3), quotes=["May", "900 euros"])
    answer = composed(reading, Ruling(Prefers(generator), 0.5, 3))
    ranked = rank(reading, Prefers(generator))
    assert answer.confidence == ranked[0].probability == 0.9
    assert ranked[0].candidate.generator == generator
    assert all(alternative.confidence <= answer.confidence for alternative in answer.alternatives)
    for piece in answer.pieces:
        assert LEASE.text[piece.citation.start : piece.citation.end] == piece.text


def test_nothing_below_the_threshold_is_given() -> None:
    reading = reading_of(LEASE, [0.9, 0.2, 0.6], quotes=["May"])
    answer = composed(reading, Ruling(Prefers("none"), 0.5, 3))
    assert (answer.text, answer.citations, answer.pieces) == (None, (), ())
    assert answer.alternatives


def test_every_feature_is_a_number() -> None:
    reading = reading_of(LEASE, [0.9, 0.2, 0.6], (0.5, 0.2, 0.3), quotes=["May"])
    rows = Featurizer(reading).matrix(candidates(reading))
    assert rows.shape[1] == len(FEATURES)
    assert np.isfinite(rows).all()
    without_spans = reading_of(LEASE, [0.9, 0.2, 0.6])
    assert np.isfinite(Featurizer(without_spans).matrix(candidates(without_spans))).all()


@pytest.mark.parametrize(
    ("question", "day"), [("on 24 July?", 1), ("on 24.7.2023?", -1), ("in the spring?", 0)]
)
def test_the_day_of_the_place_is_a_feature(question: str, day: int) -> None:
    minutes = document("The gate was painted.", "minutes", title="Minutes (24 July 2024)")
    reading = reading_of(minutes, [0.9], question=f"What was painted {question}")
    rows = [Featurizer(reading).vector(candidate) for candidate in candidates(reading)]
    assert {row["day"] for row in rows} == {day}


def test_search_headings_and_furniture_are_features() -> None:
    """The footer is also in another document; the heading has a word of the question."""
    footer = "Write to us about this page."
    page = document(f"Ending a lease. It ends in May. {footer}", "page")
    reading = reading_of(page, [0.5, 0.9, 0.6], question="How is a lease ended?")
    hit_elsewhere = hit_of(document(f"The rent is due. {footer}", "other"), score=0.01)
    (hit,) = reading.hits
    headed = replace(hit, passage=replace(hit.passage, headings=("Your lease",)), score=0.1)
    sentences = [replace(candidate, hit=headed) for candidate in reading.output.sentences]
    output = replace(reading.output, sentences=sentences)
    reading = replace(reading, hits=[headed, hit_elsewhere], output=output)

    rows = {
        page.text[candidate.places[0].start : candidate.places[0].end]: Featurizer(reading).vector(
            candidate
        )
        for candidate in candidates(reading)
        if candidate.generator == "sentence"
    }

    assert rows["It ends in May."]["retrieval"] == pytest.approx(math.log(0.1))
    assert rows["It ends in May."]["retrieval_lead"] == 0.0
    assert rows["It ends in May."]["heading"] == 0.5
    assert rows["It ends in May."]["repeated"] == 0.0
    assert rows[footer]["repeated"] == pytest.approx(math.log(2))
