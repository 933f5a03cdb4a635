import json
from pathlib import Path

import numpy as np
import pytest

from eval.gold.training import labelled_forms
from rag.answering.forms import CLASSES, FormClassifier, cues
from rag.errors import InputError, ModelError
from rag.evaluation.set_files import json_lines
from rag.training.form_classifier import read_labelled, train
from rag.types import TALK
from tests.fakes import BagOfWordsEmbedder

QUESTIONS = Path("eval/gold/questions-forms.jsonl")
OPENINGS = Path("eval/gold/training-openings.jsonl")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> FormClassifier:
    out = tmp_path_factory.mktemp("forms") / "forms.safetensors"
    training = train(read_labelled(QUESTIONS), BagOfWordsEmbedder(), out)
    assert training.accuracy > 0.6
    return FormClassifier.load(out)


@pytest.mark.parametrize(
    ("question", "form"),
    [
        ("Is the gate locked at night?", "yes_no"),
        ("Why was the gate moved?", "sentences"),
        ("What is the difference between the gate and the door?", "comparison"),
        ("Summarise the handbook.", "overview"),
        ("Which documents mention the gate?", "catalogue"),
        ("When was the gate built?", "span"),
    ],
)
def test_question_words_give_the_form(classifier: FormClassifier, question: str, form: str) -> None:
    vectors = BagOfWordsEmbedder().embed_queries([question])
    (odds,) = classifier.probabilities([question], list(vectors))
    assert max(odds, key=lambda name: odds[name]) == form
    assert sum(odds.values()) == pytest.approx(1, abs=1e-3)


def test_every_form_has_labelled_questions_of_its_own() -> None:
    labels = [question.form for question in read_labelled(QUESTIONS)]
    assert all(labels.count(form) >= 40 for form in CLASSES)


def test_labelled_questions_are_not_those_of_the_gold_sets() -> None:
    labelled = {str(row["question"]) for row in labelled_forms()}
    sets = "forms technical seeds household tables tables-held-out mixed reports questions-openings"
    for name in sets.split():
        rows = Path(f"eval/gold/{name}.jsonl").read_text(encoding="utf-8").splitlines()
        assert not labelled & {json.loads(row)["question"] for row in rows}


def test_a_wrong_label_and_a_broken_line_are_named(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "a?", "form": "span"}\n{"question": "b?", "form": "poem"}\n')
    with pytest.raises(InputError, match="line 2: unknown form 'poem'"):
        read_labelled(path)
    path.write_text('{"question": "a?", "form": "span", "weight": 0}\n')
    with pytest.raises(InputError, match="line 1: 'weight'"):
        read_labelled(path)
    path.write_text("{")
    with pytest.raises(InputError, match="line 1"):
        read_labelled(path)


def test_an_invalid_classifier_is_an_error_and_another_embedder_s_is_silent(tmp_path: Path) -> None:
    broken = tmp_path / "x.safetensors"
    broken.write_bytes(b"no")
    with pytest.raises(ModelError, match="cannot be read"):
        FormClassifier.load(broken)
    zeros = np.zeros((len(CLASSES), 8), np.float32)
    of_another_embedder = FormClassifier(zeros[:, 1:], zeros[:, 0])
    vectors = BagOfWordsEmbedder().embed_queries(["Why?"])
    assert of_another_embedder.probabilities(["Why?"], list(vectors)) == [{}]


def test_cues_are_counted_at_the_beginning_and_anywhere() -> None:
    opening_cues, all_cues = cues("Why so?"), cues("So that is the reason why?")
    assert opening_cues.sum() == 2
    assert 0 < all_cues.sum() <= 6


@pytest.mark.parametrize(
    "opened",
    [
        "I'm a pensioner, how long is the ticket valid?",
        "It's Sunday and the desk is shut: how long is the ticket valid?",
        "We are two. So how long is the ticket valid?",
        "My ticket is from May - how long is the ticket valid?",
    ],
)
def test_what_is_said_before_a_question_is_not_its_beginning(opened: str) -> None:
    in_first_words = slice(len(cues(opened)) // 2, None)
    question = cues("How long is the ticket valid?")
    assert (cues(opened)[in_first_words] == question[in_first_words]).all()


def test_a_question_that_begins_by_asking_keeps_its_beginning() -> None:
    in_first_words = slice(len(cues("")) // 2, None)
    longer = cues("Why is the lamp red, and is that dangerous?")
    assert (longer[in_first_words] == cues("Why is the lamp red?")[in_first_words]).all()


def test_questions_of_every_form_but_talk_are_learned_behind_openings() -> None:
    written = {row["question"] for row in json_lines(QUESTIONS)}
    openings = tuple(row["opening"] for row in json_lines(OPENINGS))
    added = [row for row in labelled_forms() if row["question"] not in written]
    opened = [row for row in added if row["question"].startswith(openings)]
    assert {row["form"] for row in opened} == set(CLASSES) - {TALK}
    assert len({row["question"] for row in opened}) > 5000


def test_too_few_questions_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text('{"question": "Who?", "form": "span"}\n')
    with pytest.raises(InputError, match=r"few.jsonl has 1 questions, at least 5 are needed"):
        read_labelled(path)
