"""Runs with a tiny model and set: a seed gives the same weights, even after a kill."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from rag.errors import InputError, ModelError
from rag.files import sha256_file
from rag.models.bert import load_weights, save_weights
from rag.models.qa_heads import encode, load_head
from rag.models.reader import ExtractiveReader
from rag.models.registry import WEIGHTS
from rag.training import train_reader as training
from rag.training.loss import span_targets, teacher_outputs
from rag.training.recipe import OwnRecipe, SetsRecipe, load_recipe
from tests import small_index, tiny
from tests.training.helpers import ARTICLES, COMMON, die_at, write_set, write_statements

MIXES = (
    {"cap": 100, "negatives": 0.5, "entity_swap": 0.2},
    {"cap": 8, "drop_gold": 0.2, "tokens": 32},
)
RECIPE: dict[str, Any] = COMMON | {
    "warmup": 3,
    "batch_tokens": 256,
    "dropout": 0.1,
    "freeze_embeddings": True,
    "stage": [
        {"steps": 6, "from": 1e-3, "to": 1e-3, "sets": {"towns": MIXES[0]}},
        {"steps": 4, "from": 1e-3, "to": 0.0, "sets": {"towns": MIXES[1]}},
    ],
}


def recipe(**changes: Any) -> SetsRecipe:
    return SetsRecipe.model_validate(RECIPE | changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    tiny.bert(tmp_path / "start")
    write_set(tmp_path, ARTICLES)
    return tmp_path


def as_stored(weights: dict[str, torch.Tensor], folder: Path) -> dict[str, torch.Tensor]:
    """Weights as read back after writing."""
    save_weights(weights, folder / "as-stored.safetensors")
    return load_weights(folder / "as-stored.safetensors")


@pytest.mark.slow
def test_frozen_layers_stay_and_the_heads_learn(data: Path) -> None:
    training.train(recipe(freeze_layers=1), data, data / "out")
    start_weights, end_weights = (
        load_file(data / "start" / WEIGHTS),
        load_weights(data / "out" / WEIGHTS),
    )
    name = "bert.encoder.layer.0.output.dense.weight"
    assert torch.equal(end_weights[name], as_stored({name: start_weights[name].half()}, data)[name])
    assert not torch.allclose(
        end_weights["qa_outputs.weight"].float(), start_weights["qa_outputs.weight"]
    )


@pytest.mark.slow
def test_three_heads_are_trained_saved_and_resumed(data: Path) -> None:
    write_statements(data)
    verdicts = {"share": 0.5, "sets": {"boolq": 9, "fever": 9}, "elsewhere": 0.5}
    stage = RECIPE["stage"][0] | {"verdicts": verdicts}
    training.train(recipe(sentences=0.7, head_rate=3.0, stage=[stage]), data, data / "first")
    hit = small_index.hit("The town of abra was built in 1500. It is small.")
    output = ExtractiveReader(str(data / "first")).read("was abra built?", [hit])
    assert (len(output.sentences), len(output.verdicts)) == (2, 1)
    stage = RECIPE["stage"][1] | {"steps": 1, "from": 0.0}
    training.train(recipe(init="first", stage=[stage]), data, data / "second")
    resumed = ExtractiveReader(str(data / "second")).read("was abra built?", [hit])
    assert resumed.verdicts[0].yes == pytest.approx(output.verdicts[0].yes, abs=0.02)


@pytest.mark.slow
def test_a_killed_run_gives_the_same_weights(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training.train(recipe(), data, data / "whole")
    die_at(8, training, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe(), data, data / "killed")
    fewer = data / "fewer"
    shutil.copytree(data / "start", fewer / "start")
    write_set(fewer, ARTICLES[:7])
    for changed, folder in ((recipe(seed=6), data), (recipe(), fewer)):
        with pytest.raises(InputError, match="another recipe or other data"):
            training.train(changed, folder, data / "killed")
    training.train(recipe(), data, data / "killed")
    assert not (data / "killed.checkpoint.pt").exists()
    unbroken, killed = (load_weights(data / name / WEIGHTS) for name in ("whole", "killed"))
    assert all(torch.equal(unbroken[name], killed[name]) for name in unbroken)
    start = as_stored(load_weights(data / "start" / WEIGHTS), data)
    changed_names = [name for name in unbroken if not torch.equal(unbroken[name], start[name])]
    assert changed_names
    assert not any("embeddings" in name for name in changed_names)
    digest = (data / "whole/model.sha256").read_text().strip()
    assert digest == sha256_file(data / "whole" / WEIGHTS)


@pytest.mark.slow
@pytest.mark.parametrize("merged_model", [None, "other"])
def test_a_share_of_zero_gives_the_other_model(data: Path, merged_model: str | None) -> None:
    tiny.bert(data / "other")
    weights = load_file(data / "other" / WEIGHTS)
    doubled = {name: 2 * weight for name, weight in weights.items()}
    save_file(doubled, data / "other" / WEIGHTS, {"format": "pt"})
    training.train(recipe(average=0.0, merge_with=merged_model), data, data / "out")
    expected = as_stored(load_weights(data / (merged_model or "start") / WEIGHTS), data)
    for name, weight in load_weights(data / "out" / WEIGHTS).items():
        assert torch.allclose(weight.float(), expected[name].float(), atol=3e-3)


@pytest.mark.slow
def test_a_student_approaches_its_teacher(data: Path) -> None:
    tiny.bert(data / "other")
    weights = load_file(data / "other" / WEIGHTS)
    weights["qa_outputs.weight"] *= 30
    save_file(weights, data / "other" / WEIGHTS, {"format": "pt"})
    changes: dict[str, Any] = {"distillation_weight": 1.0, "freeze_embeddings": False}
    changes["stage"] = [stage | {"from": 1e-2, "to": 1e-2} for stage in RECIPE["stage"]]
    training.train(recipe(teacher="other", dropout=0.0, **changes), data, data / "out")
    tokenizer = tiny.wordpiece_tokenizer()
    text = ARTICLES[0]["paragraphs"][0]["context"]
    parts = tiny.windows(tokenizer, "when was abra built?", "Town 0", text)

    def targets(name: str) -> NDArray[np.float32]:
        outputs = teacher_outputs(load_head(name, str(data / name), True), parts)
        return np.stack(span_targets(outputs, encode(tokenizer, parts), [0]))

    start, out, teacher = map(targets, ("start", "out", "other"))
    assert np.abs(out - teacher).sum() < 0.8 * np.abs(start - teacher).sum()


def headless(folder: Path) -> Path:
    """A model without a span head, which gets one."""
    return tiny.bert(folder, head=False)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [tiny.distilbert, tiny.roberta, headless])
def test_own_questions_train_a_reader(tmp_path: Path, shape: Callable[[Path], Path]) -> None:
    shape(tmp_path / "start")
    (tmp_path / "mine.json").write_text(json.dumps({"data": ARTICLES}))
    recipe = load_recipe(OwnRecipe).model_copy(update={"init": "start"})
    out = tmp_path / "new" / "v1.2"
    initial_scores, final_scores = training.fine_tune(
        recipe, tmp_path / "mine.json", None, out, ExtractiveReader
    )
    assert (initial_scores is None) == (shape is headless)
    assert initial_scores is None or (initial_scores.answerable, initial_scores.unanswerable) == (
        2,
        2,
    )
    assert (final_scores.answerable, final_scores.unanswerable) == (2, 2)
    assert ExtractiveReader(str(out)).read("when?", []).spans == []


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"stage": [RECIPE["stage"][0] | {"sets": {"hamlets": {"cap": 1}}}]}, InputError,
         r"hamlets\.json\.gz"),
        ({"init": "empty"}, ModelError, "empty cannot be loaded"),
        ({"init": "nowhere"}, ModelError, "nowhere"),
        ({"teacher": "headless"}, ModelError, "headless"),
        ({"init": "headless", "average": 0.5}, InputError, "weights are not a reader's"),
        ({"freeze_layers": 3}, InputError, "freeze_layers = 3 is too many for start"),
        ({"dev_articles": 8}, InputError, "towns: no questions are left"),
    ],
)  # fmt: skip
def test_unusable_parts_of_a_recipe_are_named(
    data: Path, changes: dict[str, Any], kind: type[Exception], words: str
) -> None:
    (data / "empty").mkdir()
    tiny.bert(data / "headless", head=False)
    with pytest.raises(kind, match=words):
        training.train(recipe(**changes), data, data / "out")


def test_an_unusable_out_folder_is_reported_first(data: Path) -> None:
    (data / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        training.train(recipe(init="nowhere"), data, data / "file")
    with pytest.raises(InputError, match="starts from"):
        training.train(recipe(), data, data / "start")
    shutil.copytree(data / "start", data / "other")
    with pytest.raises(InputError, match="averages with"):
        training.train(recipe(average=0.5, merge_with="other"), data, data / "other")
    with pytest.raises(OSError, match="file"):
        training.train(recipe(init="nowhere"), data, data / "file" / "out")
