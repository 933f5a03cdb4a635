"""A run on a tiny model and a tiny set: the same seed gives the same weights, killed or not."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rag.reading.reader import ExtractiveReader
from rag.training import train as training
from rag.training.data import groups, question_set, read_squad
from rag.types import Hit, Passage
from tests import tiny
from tests.fakes import BagOfWordsEmbedder

ARTICLES: list[dict[str, Any]] = [
    {
        "title": f"Town_{i}",
        "paragraphs": [
            {
                "context": f"the town of {name} was built in {1500 + i}. it has {i + 3} gates.",
                "qas": [
                    {
                        "id": f"{i}a",
                        "question": f"when was {name} built?",
                        "answers": [{"text": str(1500 + i), "answer_start": 0}],
                    },
                    {"id": f"{i}b", "question": f"who built {name}?", "answers": [], "is_impossible": True},
                ],
            }
        ],
    }
    for i, name in enumerate(["abra", "bexle", "corto", "dunve", "elsin", "farro", "gindo", "holme"])
]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    tiny.bert(tmp_path / "start")
    with gzip.open(tmp_path / "towns.json.gz", "wt") as file:
        json.dump({"data": ARTICLES}, file)
    text = f"""
init = "{tmp_path / "start"}"
seed = 5
dev_articles = 2
learning_rate = 1e-3
weight_decay = 0.01
warmup = 0.1
batch_tokens = 256
epochs = 3
max_passage_tokens = 64
absent = 0.1
[sets]
towns = {{ cap = 100, negatives = 0.5 }}
"""
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


def test_a_killed_run_ends_with_the_same_weights(recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = recipe.parent
    training.train(recipe, folder, folder / "whole")
    monkeypatch.setattr(training, "CHECKPOINT_EVERY", 2)
    step, steps = training._step, []

    def dying(*arguments: Any) -> float:
        steps.append(1)
        if len(steps) == 6:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(training, "_step", dying)
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe, folder, folder / "killed")
    assert (folder / "killed.checkpoint.pt").exists()
    training.train(recipe, folder, folder / "killed")
    assert not (folder / "killed.checkpoint.pt").exists()
    whole, killed = (load_file(folder / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    started = load_file(folder / "start" / "model.safetensors")
    assert any(not torch.equal(whole[name].float(), started[name]) for name in whole)
    text = "the town of abra was built in 1500."
    assert ExtractiveReader(str(folder / "whole")).read("when?", [Hit(Passage("d", 0, len(text), text, "", ""), 1, 1, 1)])


def test_articles_are_split_the_same_way_for_the_same_seed() -> None:
    kept, held_out = training.split_articles(ARTICLES, 2, 5)
    assert (kept, held_out) == training.split_articles(list(reversed(ARTICLES)), 2, 5)
    assert len(held_out) == 2
    assert not {a["title"] for a in kept} & {a["title"] for a in held_out}


def test_negatives_hold_no_answer_and_absent_questions_are_null(recipe: Path) -> None:
    import random

    made = question_set(read_squad(recipe.parent / "towns.json.gz"), BagOfWordsEmbedder().count_tokens, 64)
    for group in groups(made, 100, negatives=1.0, absent=0.0, rng=random.Random(1)):
        own, *negatives = group.passages
        assert len(negatives) == 1
        assert all(answer in own.text for answer in group.answers)
        assert not any(answer in negatives[0].text for answer in group.answers)
    absent = groups(made, 100, negatives=0.0, absent=1.0, rng=random.Random(1))
    assert all(group.answers == () and len(group.passages) == 1 for group in absent)
