"""An embedder tuned on a tiny set learns, and a seed gives the same weights, even after a kill."""

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rag.errors import InputError, ModelError
from rag.models.embedders import MeanEmbedder, is_mean
from rag.training import train_embedder as training
from rag.training.recipe import EmbedderRecipe
from tests import tiny
from tests.training.helpers import die_at, write_set

TOWNS = ["abra", "bexle", "corto", "dunve", "elsin", "farro", "gindo", "holme"]


def paragraph(number: int, name: str) -> dict[str, Any]:
    year = f"{1500 + number}"
    asked = [(f"when was {name} built?", year), (f"who walled {name}?", "knights")]
    qas = [{"question": question, "answers": [{"text": answer}]} for question, answer in asked]
    return {"context": f"{name} was built in {year}. knights walled it.", "qas": qas}


RECIPE: dict[str, Any] = {
    "init": "start",
    "seed": 5,
    "dev_set": "towns",
    "dev_articles": 2,
    "weight_decay": 0.01,
    "steps": 10,
    "warmup": 2,
    "from": 3e-3,
    "to": 0.0,
    "scale": 20.0,
    "max_passage_tokens": 64,
    "passages": 4,
    "questions": 1,
    "max_epochs": 2,
    "negatives": 1,
    "average": 1.0,
    "sets": {"towns": 100},
}


def recipe(**changes: Any) -> EmbedderRecipe:
    return EmbedderRecipe.model_validate(RECIPE | changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    tiny.embedder(tmp_path / "start")
    articles = [
        {"title": f"T{number}", "paragraphs": [paragraph(number, name)]}
        for number, name in enumerate(TOWNS)
    ]
    write_set(tmp_path, articles)
    return tmp_path


def own_first(folder: Path) -> float:
    """Mean margin of a question's cosine to its own passage over those to the others."""
    embedder = MeanEmbedder("tiny", folder)
    made = [paragraph(number, name) for number, name in enumerate(TOWNS)]
    cosines = (
        embedder.embed_queries([p["qas"][0]["question"] for p in made])
        @ embedder.embed_passages([p["context"] for p in made]).T
    )
    return float(cosines.diagonal().mean() - cosines.mean())


@pytest.mark.slow
def test_questions_move_closer_to_their_passages(data: Path) -> None:
    training.tune(recipe(steps=60), data, data / "tuned")
    assert is_mean(data / "tuned")
    assert own_first(data / "tuned") > 1.5 * own_first(data / "start")
    assert (data / "tuned" / "model.sha256").exists()


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.tune(recipe(), data, data / "whole")
    die_at(8, training, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        training.tune(recipe(), data, data / "killed")
    with pytest.raises(InputError, match="another recipe or other data"):
        training.tune(recipe(seed=6), data, data / "killed")
    training.tune(recipe(), data, data / "killed")
    assert not (data / "killed.checkpoint.pt").exists()
    whole, killed = (load_file(data / name / "model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    started = load_file(data / "start" / "model.safetensors")
    changed = {
        name
        for name in whole
        if "pooler" not in name and not torch.equal(whole[name], started[f"bert.{name}"].half())
    }
    assert changed
    assert not any("embeddings" in name for name in changed)


@pytest.mark.slow
def test_the_average_lies_between_initial_and_tuned_weights(data: Path) -> None:
    for name, share in (("none", 0.0), ("half", 0.5), ("all", 1.0)):
        training.tune(recipe(average=share), data, data / name)
    none, half, whole = (
        load_file(data / name / "model.safetensors") for name in ("none", "half", "all")
    )
    assert all(
        torch.allclose(
            half[name].float(), (none[name].float() + whole[name].float()) / 2, atol=2e-3
        )
        for name in half
    )
    assert any(not torch.equal(none[name], whole[name]) for name in none)


def test_passages_that_may_answer_are_not_negatives() -> None:
    texts = ["a in 1500", "b in 1600", "c in 1500", "d", "e"]
    asked = training.AnchorQuestion("when?", ("1500",), (0, 3), (1, 4))
    made = training._batch(
        texts,
        [(0, [asked]), (2, [training.AnchorQuestion("what?", ("c",), (2,), ())]), (3, [])],
        2,
        random.Random(1),
    )
    told = {passage for passage, apart in zip(made.passages, made.allowed[0], strict=True) if apart}
    assert made.passages[made.own[0]] == "a in 1500"
    assert told == {"a in 1500", "b in 1600", "e"}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"sets": {"villages": 5}}, InputError, "villages"),
        ({"init": "nowhere"}, ModelError, "nowhere"),
        ({"passages": 99}, InputError, "no set has the 99 passages"),
    ],
)
def test_invalid_recipes_are_named(
    data: Path, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        training.tune(recipe(**changes), data, data / "out")


def test_the_initial_model_is_not_overwritten(data: Path) -> None:
    with pytest.raises(InputError, match="would be overwritten"):
        training.tune(recipe(), data, data / "start")
