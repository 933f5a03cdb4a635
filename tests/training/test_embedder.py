"""An embedder tuned on a tiny set learns, and a seed gives the same weights, even after a kill."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rag.errors import InputError, ModelError
from rag.models.bert import SCALE, load_weights, save_weights
from rag.models.embedders import MeanEmbedder, is_mean
from rag.models.registry import WEIGHTS
from rag.training import train_embedder as training
from rag.training.data import TrainingQuestion
from rag.training.recipe import EmbedderRecipe
from tests import tiny
from tests.training.helpers import COMMON, TOWNS, die_at, write_set

RECIPE: dict[str, Any] = COMMON | {
    "steps": 10,
    "warmup": 2,
    "from": 3e-3,
    "to": 0.0,
    "scale": 20.0,
    "passages": 4,
    "questions": 1,
    "max_epochs": 2,
    "negatives": 1,
    "average": 1.0,
    "sets": {"towns": 100},
}
PARAGRAPHS = [f"{name} was built in {1500 + n}. knights did it." for n, name in enumerate(TOWNS)]
QUESTIONS = [f"when was {name} built?" for name in TOWNS]


def recipe(**changes: Any) -> EmbedderRecipe:
    return EmbedderRecipe.model_validate(RECIPE | changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    tiny.embedder(tmp_path / "start")
    articles = []
    for n, (text, question) in enumerate(zip(PARAGRAPHS, QUESTIONS, strict=True)):
        questions = ((question, f"{1500 + n}"), (f"who built {TOWNS[n]}?", "knights"))
        qas = [{"question": q, "answers": [{"text": answer}]} for q, answer in questions]
        articles.append({"title": f"T{n}", "paragraphs": [{"context": text, "qas": qas}]})
    write_set(tmp_path, articles)
    return tmp_path


def margin(folder: Path) -> float:
    """Mean margin of a question's cosine to its own passage over those to the others."""
    embedder = MeanEmbedder("tiny", folder)
    cosines = embedder.embed_queries(QUESTIONS) @ embedder.embed_passages(PARAGRAPHS).T
    return float(cosines.diagonal().mean() - cosines.mean())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


@pytest.mark.slow
def test_questions_move_closer_to_their_passages(data: Path) -> None:
    training.tune(recipe(steps=30), data, data / "tuned")
    assert is_mean(data / "tuned")
    assert margin(data / "tuned") > 1.5 * margin(data / "start")
    assert (data / "tuned" / "model.sha256").exists()


@pytest.mark.slow
def test_a_start_in_8_bits_is_tuned(data: Path) -> None:
    path = data / "start" / WEIGHTS
    save_weights(load_weights(path), path)
    assert any(name.endswith(SCALE) for name in weights(data / "start"))
    training.tune(recipe(steps=30), data, data / "tuned")
    assert margin(data / "tuned") > 1.5 * margin(data / "start")


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights_and_half_of_it_is_the_mean(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.tune(recipe(), data, data / "whole")
    training.tune(recipe(average=0.5), data, data / "half")
    die_at(8, training, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        training.tune(recipe(), data, data / "killed")
    with pytest.raises(InputError, match="another recipe or other data"):
        training.tune(recipe(seed=6), data, data / "killed")
    training.tune(recipe(), data, data / "killed")
    assert not (data / "killed.checkpoint.pt").exists()
    unbroken, killed, half = (weights(data / name) for name in ("whole", "killed", "half"))
    assert all(torch.equal(unbroken[name], killed[name]) for name in unbroken)
    start = weights(data / "start")
    changed = []
    for name in unbroken:
        if "pooler" not in name:
            start_weight, end_weight = start[f"bert.{name}"].float(), unbroken[name].float()
            assert torch.allclose(half[name].float(), (start_weight + end_weight) / 2, atol=2e-3)
            changed += [] if torch.equal(start_weight.half(), end_weight.half()) else [name]
    assert changed
    assert not any("embeddings" in name for name in changed)


def test_passages_that_may_answer_are_not_negatives() -> None:
    texts = ["a in 1500", "b in 1600", "c in 1500", "d", "e"]
    question = TrainingQuestion("when?", ("1500",), (0, 3), (1, 4))
    other_question = TrainingQuestion("what?", ("c",), (2,), ())
    units = [(0, [question]), (2, [other_question]), (3, [])]
    batch = training._batch(texts, units, 2, random.Random(1))
    pairs = zip(batch.passages, batch.allowed[0], strict=True)
    assert batch.passages[batch.own_passages[0]] == "a in 1500"
    assert {text for text, allowed in pairs if allowed} == {"a in 1500", "b in 1600", "e"}


@pytest.mark.parametrize(
    ("changes", "out", "error", "words"),
    [
        ({"sets": {"villages": 5}}, "out", InputError, "villages"),
        ({"init": "nowhere"}, "out", ModelError, "nowhere"),
        ({"passages": 99}, "out", InputError, "no set has the 99 passages"),
        ({}, "start", InputError, "would be overwritten"),
    ],
)
def test_invalid_recipes_are_named(
    data: Path, changes: dict[str, Any], out: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        training.tune(recipe(**changes), data, data / out)
