"""Runs with a tiny model and set: a seed gives the same weights, even after a kill."""

import hashlib
import json
import random
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
from rag.models.bert import load_weights, save_weights
from rag.models.qa_heads import encode, load_head, windows
from rag.models.reader import ExtractiveReader
from rag.training import train_reader as training
from rag.training.data import QuestionSet, groups, question_set, split_articles
from rag.training.loss import span_targets, teacher_outputs
from rag.training.recipe import Mix, OwnRecipe, SetsRecipe, load_recipe
from rag.training.trainer import WEIGHTS
from tests import small_index, tiny
from tests.fakes import BagOfWordsEmbedder
from tests.training.helpers import die_at, write_set, write_statements


def _town(number: int, name: str) -> dict[str, Any]:
    built = {"text": str(1500 + number), "answer_start": 0}
    when = {"id": f"{number}a", "question": f"when was {name} built?", "answers": [built]}
    who = {"id": f"{number}b", "question": f"who built {name}?", "answers": []}
    text = f"the town of {name} was built in {1500 + number}. it has {number + 3} gates."
    paragraph = {"context": text, "qas": [when, who | {"is_impossible": True}]}
    return {"title": f"Town_{number}", "paragraphs": [paragraph]}


TOWNS = "abra bexle corto dunve elsin farro gindo holme".split()
ARTICLES = [_town(number, name) for number, name in enumerate(TOWNS)]


RECIPE: dict[str, Any] = {
    "init": "start",
    "seed": 5,
    "dev_set": "towns",
    "dev_articles": 2,
    "weight_decay": 0.01,
    "warmup": 3,
    "batch_tokens": 256,
    "max_passage_tokens": 64,
    "dropout": 0.1,
    "freeze_embeddings": True,
    "stage": [
        {
            "steps": 6,
            "from": 1e-3,
            "to": 1e-3,
            "sets": {"towns": {"cap": 100, "negatives": 0.5, "entity_swap": 0.2}},
        },
        {
            "steps": 4,
            "from": 1e-3,
            "to": 0.0,
            "sets": {"towns": {"cap": 8, "drop_gold": 0.2, "tokens": 32}},
        },
    ],
}


def recipe(**changes: Any) -> SetsRecipe:
    return SetsRecipe.model_validate(RECIPE | changes)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    tiny.bert(tmp_path / "start")
    write_set(tmp_path, ARTICLES)
    return tmp_path


def fewer(data: Path, number: int) -> Path:
    """The folder with this many of the articles."""
    other = data / f"{number}"
    shutil.copytree(data / "start", other / "start")
    write_set(other, ARTICLES[:number])
    return other


def questions_on(text: str, qas: list[dict[str, Any]]) -> QuestionSet:
    paragraph = {"context": text, "qas": qas}
    count = BagOfWordsEmbedder().count_tokens
    return question_set([{"title": "Bridges", "paragraphs": [paragraph]}], count)


def as_stored(weights: dict[str, torch.Tensor], folder: Path) -> dict[str, torch.Tensor]:
    """Weights as read back after writing."""
    save_weights(weights, folder / "as-stored.safetensors")
    return load_weights(folder / "as-stored.safetensors")


@pytest.mark.slow
def test_frozen_layers_stay_and_the_others_learn(data: Path) -> None:
    training.train(recipe(freeze_layers=1), data, data / "out")
    before, after = load_file(data / "start" / WEIGHTS), load_weights(data / "out" / WEIGHTS)
    name = "bert.encoder.layer.{}.output.dense.weight"
    expected = as_stored({"kept": before[name.format(0)].half()}, data)["kept"]
    assert torch.equal(after[name.format(0)], expected)
    assert not torch.allclose(after["qa_outputs.weight"].float(), before["qa_outputs.weight"])
    with pytest.raises(InputError, match="freeze_layers = 3 is too many for start") as error:
        training.train(recipe(freeze_layers=3), data, data / "no")
    assert error.value.hint == "it has 1 to freeze"


@pytest.mark.slow
def test_three_heads_are_trained_saved_and_resumed(data: Path) -> None:
    write_statements(data)
    stage = RECIPE["stage"][0] | {
        "verdicts": {"share": 0.5, "sets": {"boolq": 9, "fever": 9}, "elsewhere": 0.5}
    }
    asked = {"sentences": 0.7, "head_rate": 3.0, "stage": [stage]}
    training.train(recipe(**asked), data, data / "first")
    text = "The town of abra was built in 1500. It is small."
    hit = small_index.hit(text)
    read = ExtractiveReader(str(data / "first")).read("was abra built?", [hit])
    assert len(read.sentences) == 2
    assert len(read.verdicts) == 1
    training.train(
        recipe(init="first", stage=[RECIPE["stage"][1] | {"steps": 1, "from": 0.0}]),
        data,
        data / "second",
    )
    again = ExtractiveReader(str(data / "second")).read("was abra built?", [hit])
    assert again.verdicts[0].yes == pytest.approx(read.verdicts[0].yes, abs=0.02)


@pytest.mark.slow
def test_a_killed_run_ends_with_the_same_weights(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training.train(recipe(), data, data / "whole")
    die_at(8, training, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        training.train(recipe(), data, data / "killed")
    assert (data / "killed.checkpoint.pt").exists()
    with pytest.raises(InputError, match="another recipe or other data"):
        training.train(recipe(seed=6), data, data / "killed")
    with pytest.raises(InputError, match="another recipe or other data"):
        training.train(recipe(), fewer(data, 7), data / "killed")
    training.train(recipe(), data, data / "killed")
    assert not (data / "killed.checkpoint.pt").exists()
    whole, killed = (load_weights(data / name / WEIGHTS) for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], killed[name]) for name in whole)
    started = as_stored(load_weights(data / "start" / WEIGHTS), data)
    changed = {
        name for name in whole if not torch.equal(whole[name].float(), started[name].float())
    }
    assert changed
    assert not any("embeddings" in name for name in changed)
    text = "the town of abra was built in 1500."
    assert ExtractiveReader(str(data / "whole")).read("when?", [small_index.hit(text)]).spans


def test_averaged_weights_are_written_with_their_digest(tmp_path: Path) -> None:
    for name, value in (("start", 1.0), ("out", 3.0)):
        (tmp_path / name).mkdir()
        save_file({"layer": torch.full((2, 2), value).half()}, tmp_path / name / WEIGHTS)
    training.average(str(tmp_path / "start"), tmp_path / "out", 0.75)
    written = tmp_path / "out" / WEIGHTS
    assert torch.equal(load_file(written)["layer"], torch.full((2, 2), 2.5).half())
    assert (tmp_path / "out" / "model.sha256").read_text().strip() == hashlib.sha256(
        written.read_bytes()
    ).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize("other", [None, "other"])
def test_a_share_of_zero_gives_the_other_model(data: Path, other: str | None) -> None:
    tiny.bert(data / "other")
    weights = load_file(data / "other" / WEIGHTS)
    doubled = {name: 2 * weight for name, weight in weights.items()}
    save_file(doubled, data / "other" / WEIGHTS, {"format": "pt"})
    training.train(recipe(average=0.0, merge_with=other), data, data / "out")
    meant = as_stored(load_weights(data / (other or "start") / WEIGHTS), data)
    ended = load_weights(data / "out" / WEIGHTS)
    assert all(
        torch.allclose(ended[name].float(), meant[name].float(), atol=3e-3) for name in ended
    )
    assert not (data / "out.checkpoint.pt").exists()


def test_a_missing_set_is_named(data: Path) -> None:
    stage = RECIPE["stage"][0] | {"sets": {"hamlets": {"cap": 1}}}
    with pytest.raises(InputError, match=r"hamlets\.json\.gz"):
        training.train(recipe(stage=[stage]), data, data / "out")


@pytest.mark.parametrize(
    ("init", "hint"), [("empty", "--init"), ("nowhere", "minilm, accurate, or fast")]
)
def test_unsuitable_initial_models_are_named(data: Path, init: str, hint: str) -> None:
    (data / "empty").mkdir()
    with pytest.raises(ModelError, match=init) as error:
        training.train(recipe(init=init), data, data / "out")
    assert hint in error.value.hint


def test_articles_are_split_the_same_way_for_the_same_seed() -> None:
    kept, held_out = split_articles(ARTICLES, 2, 5)
    assert (kept, held_out) == split_articles(list(reversed(ARTICLES)), 2, 5)
    assert len(held_out) == 2
    assert not {a["title"] for a in kept} & {a["title"] for a in held_out}


@pytest.mark.parametrize("negatives_per_question", [1, 3])
def test_negatives_have_no_answer_and_absent_questions_are_null(
    negatives_per_question: int,
) -> None:
    made = question_set(ARTICLES, BagOfWordsEmbedder().count_tokens, 64)
    mix = Mix(cap=100, negatives=1.0, negatives_per_question=negatives_per_question)
    for group in groups(made, mix, random.Random(1)):
        own, *negatives = group.passages
        assert len(set(negatives) - {own}) == negatives_per_question
        assert all(answer in own.text for answer in group.answers)
        assert not any(
            answer in negative.text for answer in group.answers for negative in negatives
        )
    drop_gold = groups(made, Mix(cap=100, drop_gold=1.0), random.Random(1))
    assert all(group.answers == () and len(group.passages) == 1 for group in drop_gold)


def test_a_swapped_question_asks_for_another_name_and_has_no_answer() -> None:
    text = "In 1912 the bridge at Dunve was opened by Mary Holt. In 1914 the one at Corto followed."
    qas = [
        {"question": "Who opened the bridge at Dunve?", "answers": [{"text": "Mary Holt"}]},
        {"question": "Which bridge followed that at Corto?", "answers": [{"text": "Corto"}]},
    ]
    made = questions_on(text, qas)
    entity_swap = groups(made, Mix(cap=10, entity_swap=1.0), random.Random(1))
    assert {g.question for g in entity_swap} == {
        "Who opened the bridge at Corto?",
        "Which bridge followed that at Dunve?",
    }
    assert all(g.answers == () for g in entity_swap)


def test_a_shortened_passage_answers_only_with_its_answering_sentence() -> None:
    sentences = "In 1912 the bridge was opened.", "It has three arches.", "Mary Holt drew it."
    qas = [{"question": "When was it opened?", "answers": [{"text": "1912"}, {"text": "In 1912"}]}]
    made = questions_on(" ".join(sentences), qas)
    seen = set()
    for seed in range(40):
        (group,) = groups(made, Mix(cap=10, sentence_drop=1.0), random.Random(seed))
        (passage,) = group.passages
        seen.add((passage.text, bool(group.answers)))
    opened, arches, drew = sentences
    assert seen == {
        (f"{arches} {drew}", False),
        (f"{opened} {drew}", True),
        (f"{opened} {arches}", True),
    }


@pytest.mark.parametrize("text", ["In 1912.", "Both 1912 and 1912. Then 1912.", "From 19. 12 on."])
def test_a_passage_without_removable_sentences_is_kept(text: str) -> None:
    qas: list[dict[str, Any]] = [
        {"question": "When?", "answers": [{"text": "1912" if "1912" in text else "19. 12"}]}
    ]
    made = questions_on(text, qas)
    for seed in range(10):
        (group,) = groups(made, Mix(cap=10, sentence_drop=1.0), random.Random(seed))
        assert ([p.text for p in group.passages], group.answers) == (
            [text],
            tuple(a["text"] for a in qas[0]["answers"]),
        )


@pytest.mark.slow
def test_a_student_approaches_its_teacher(data: Path) -> None:
    tiny.bert(data / "other")
    weights = load_file(data / "other" / WEIGHTS)
    opinionated = {
        name: 30 * weight if name == "qa_outputs.weight" else weight
        for name, weight in weights.items()
    }
    save_file(opinionated, data / "other" / WEIGHTS, {"format": "pt"})
    changes: dict[str, Any] = {"distillation_weight": 1.0, "freeze_embeddings": False}
    stages = [stage | {"from": 1e-2, "to": 1e-2} for stage in RECIPE["stage"]]
    changes |= {"dropout": 0.0, "stage": stages}
    training.train(recipe(teacher="other", **changes), data, data / "out")
    tokenizer = tiny.wordpiece_tokenizer()
    text = ARTICLES[0]["paragraphs"][0]["context"]
    made = windows(tokenizer, "when was abra built?", "Town 0", text)

    def targets(name: str) -> NDArray[np.float32]:
        outputs = teacher_outputs(load_head(name, str(data / name), True), made)
        return np.stack(span_targets(outputs, encode(tokenizer, made), [0]))

    start, out, other = map(targets, ("start", "out", "other"))
    assert np.abs(out - other).sum() < 0.8 * np.abs(start - other).sum()
    tiny.bert(data / "headless", head=False)
    with pytest.raises(ModelError, match="headless"):
        training.train(recipe(teacher="headless", **changes), data, data / "no")


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [tiny.bert, tiny.distilbert, tiny.roberta], ids=["bert", "distilbert", "roberta"]
)
def test_own_questions_are_trained_and_measured_on_the_held_out_part(
    tmp_path: Path, shape: Callable[[Path], Path]
) -> None:
    shape(tmp_path / "start")
    (tmp_path / "mine.json").write_text(json.dumps({"data": ARTICLES}))
    own = load_recipe(OwnRecipe).model_copy(update={"init": "start"})
    before, after = training.fine_tune(
        own, tmp_path / "mine.json", None, tmp_path / "new" / "v1.2", ExtractiveReader
    )
    assert before is not None
    assert (
        (before.answerable, before.unanswerable) == (after.answerable, after.unanswerable) == (2, 2)
    )
    assert ExtractiveReader(str(tmp_path / "new" / "v1.2")).read("when?", []).spans == []


@pytest.mark.slow
def test_a_model_without_a_span_head_gets_one(tmp_path: Path) -> None:
    tiny.bert(tmp_path / "encoder", head=False)
    (tmp_path / "mine.json").write_text(json.dumps({"data": ARTICLES}))
    own = load_recipe(OwnRecipe).model_copy(update={"init": "encoder"})
    before, after = training.fine_tune(
        own, tmp_path / "mine.json", None, tmp_path / "out", ExtractiveReader
    )
    assert before is None
    assert after.answerable == 2


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


def test_averaging_with_another_model_is_refused_at_the_start(data: Path) -> None:
    tiny.bert(data / "encoder", head=False)
    with pytest.raises(InputError, match="weights are not a reader's"):
        training.train(recipe(init="encoder", average=0.5), data, data / "out")


def test_holding_out_everything_is_an_error(data: Path) -> None:
    with pytest.raises(InputError, match="towns: no questions are left"):
        training.train(recipe(dev_articles=8), data, data / "out")
