"""The script that fits the shipped calibration runs with any reader and writes a file that
loads.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from eval.experiments import fit_confidence
from rag import build
from rag.answering.confidence import Confidence
from rag.training.recipe import SetsRecipe, load_recipe
from tests.fakes import BagOfWordsEmbedder, NameReader

PLACES = "Vienna Geneva Muscat Lausanne Rome Oslo".split()


def article(number: int) -> dict[str, Any]:
    """An article on rounds of talks, each with a year and a place, and an unanswerable question on
    each.
    """
    paragraphs = []
    for n, place in enumerate(PLACES):
        year = str(1900 + 10 * number + n)
        context = f"The {place} round of treaty {number} was held in {year}. It went on for long."
        answered = {
            "question": f"When was the {place} round of treaty {number} held?",
            "answers": [{"text": year}],
        }
        near = {
            "question": f"When did the {place} orchestra of treaty {number} sing?",
            "answers": [],
            "is_impossible": True,
        }
        paragraphs.append({"context": context, "qas": [answered, near]})
    return {"title": f"Treaty_{number}", "paragraphs": paragraphs}


@pytest.mark.slow
def test_from_questions_to_a_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with gzip.open(tmp_path / "squad-dev-36.json.gz", "wt") as file:
        json.dump({"data": [article(number) for number in range(7)]}, file)
    monkeypatch.setattr(fit_confidence, "ASKED", {"own": 15, "near": 20, "absent": 15})
    recipe = load_recipe(SetsRecipe).model_copy(update={"dev_articles": 5, "seed": 1})
    monkeypatch.setattr(fit_confidence, "load_recipe", lambda kind: recipe)
    monkeypatch.setattr(fit_confidence, "GOLD_QUESTIONS", 12)
    monkeypatch.setattr(build, "embedder", lambda settings: BagOfWordsEmbedder(settings.embedder))
    monkeypatch.setattr(build, "reader", lambda settings: NameReader())
    fit_confidence.main(tmp_path, tmp_path / "confidence.json", 0.3)
    made = Confidence.load(tmp_path / "confidence.json")
    report = json.loads((tmp_path / "confidence.json").read_text())["report"]
    own = report["in domain, by article"]
    assert own["questions"] == 50
    assert own["best candidate right, of answerable"] > 0.5
    assert {"auroc of answerable, near", "auroc of answerable, absent", "ece"} <= set(own)
    assert report["unlike the fit: seeds"]["questions"] == 12
    assert made.risk == own["wrong, of answered"]
    assert own["wrong, of answered"] <= 0.3
    assert report["rule"] == "at most 30% of the answers wrong"
