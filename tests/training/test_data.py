"""Sets are read, split and shown as a recipe says; files that are not SQuAD are named."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from rag.errors import InputError
from rag.training.data import (
    Group,
    QuestionSet,
    groups,
    question_set,
    read_squad,
    retrieved_groups,
    split_articles,
)
from rag.training.recipe import Mix
from tests.fakes import BagOfWordsEmbedder
from tests.training.helpers import ARTICLES


def squad(qa: Any) -> Any:
    return {"data": [{"title": "A deal", "paragraphs": [{"context": "In 2015.", "qas": [qa]}]}]}


@pytest.mark.parametrize("ending", [".json", ".json.gz"])
def test_articles_are_read(tmp_path: Path, ending: str) -> None:
    content = squad({"question": "Why?", "is_impossible": True})
    path = tmp_path / f"a{ending}"
    data = json.dumps(content).encode()
    path.write_bytes(gzip.compress(data) if ending == ".json.gz" else data)
    assert read_squad(path) == content["data"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"data": [{"title": "A"}]}',
        json.dumps(squad({"question": "When?"})).encode(),
        json.dumps(squad({"question": "When?", "answers": ["2015"]})).encode(),
        b"[" * 100_000,
        gzip.compress(b"{}" * 999, mtime=0)[:-9],
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("a.json.gz" if content.startswith(b"\x1f") else "a.json")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json.* is not SQuAD JSON") as error:
        read_squad(path)
    assert error.value.hint


def test_articles_are_split_the_same_way_for_the_same_seed() -> None:
    training, held_out = split_articles(ARTICLES, 2, 5)
    assert (training, held_out) == split_articles(list(reversed(ARTICLES)), 2, 5)
    assert len(held_out) == 2
    assert not {a["title"] for a in training} & {a["title"] for a in held_out}


def test_groups_keep_the_passages_that_search_returned(tmp_path: Path) -> None:
    rows = [
        {"question": q, "answers": ["old"], "spans": True, "passages": [["Bridges", "It is old."]]}
        for q in ("How old?", "Why?")
    ]
    rows[1] |= {"spans": False, "whole": True}
    path = tmp_path / "asked-groups.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))

    read = retrieved_groups("asked", most_questions=9, data=tmp_path, rng=random.Random(0))

    by_question = {group.question: group for group in read}
    assert [p.in_context for p in by_question["Why?"].passages] == ["Bridges\nIt is old."]
    assert (by_question["Why?"].whole, by_question["How old?"].spans) == (True, True)
    assert (
        len(retrieved_groups("asked", most_questions=1, data=tmp_path, rng=random.Random(0))) == 1
    )
    with pytest.raises(InputError, match=r"no .*other-groups"):
        retrieved_groups("other", most_questions=1, data=tmp_path, rng=random.Random(0))


def questions_on(text: str, *pairs: tuple[str, list[str]]) -> QuestionSet:
    """Questions with their answers on a paragraph."""
    qas = [{"question": q, "answers": [{"text": a} for a in answers]} for q, answers in pairs]
    articles = [{"title": "Bridges", "paragraphs": [{"context": text, "qas": qas}]}]
    return question_set(articles, BagOfWordsEmbedder().count_tokens)


def shown(questions: QuestionSet, seed: int = 1, **mix: Any) -> list[Group]:
    return groups(questions, Mix(cap=100, **mix), random.Random(seed))


@pytest.mark.parametrize("number", [1, 3])
def test_negatives_have_no_answer_and_absent_questions_are_null(number: int) -> None:
    questions = question_set(ARTICLES, BagOfWordsEmbedder().count_tokens, 64)
    for group in shown(questions, negatives=1.0, negatives_per_question=number):
        answering, *negatives = group.passages
        assert len(set(negatives) - {answering}) == number
        for answer in group.answers:
            assert answer in answering.text
            assert not any(answer in negative.text for negative in negatives)
    without = shown(questions, drop_gold=1.0)
    assert all(group.answers == () and len(group.passages) == 1 for group in without)


def test_a_swapped_question_asks_for_another_name_and_has_no_answer() -> None:
    questions = questions_on(
        "In 1912 the bridge at Dunve was opened by Mary Holt. In 1914 the one at Corto followed.",
        ("Who opened the bridge at Dunve?", ["Mary Holt"]),
        ("Which bridge followed that at Corto?", ["Corto"]),
    )
    assert {(group.question, group.answers) for group in shown(questions, entity_swap=1.0)} == {
        ("Who opened the bridge at Corto?", ()),
        ("Which bridge followed that at Dunve?", ()),
    }


def test_a_shortened_passage_answers_only_with_its_answering_sentence() -> None:
    opened, arches, drew = "In 1912 it was opened.", "It has three arches.", "Mary Holt drew it."
    text, answers = f"{opened} {arches} {drew}", ["1912", "In 1912"]
    questions = questions_on(text, ("When was it opened?", answers))
    variants = set()
    for seed in range(40):
        (group,) = shown(questions, seed, sentence_drop=1.0)
        variants.add((group.passages[0].text, bool(group.answers)))
    shorter = {(f"{opened} {drew}", True), (f"{opened} {arches}", True)}
    assert variants == {(f"{arches} {drew}", False), *shorter}


@pytest.mark.parametrize("text", ["In 1912.", "Both 1912 and 1912. Then 1912.", "From 19. 12 on."])
def test_a_passage_without_removable_sentences_is_kept(text: str) -> None:
    answer = "1912" if "1912" in text else "19. 12"
    for seed in range(10):
        (group,) = shown(questions_on(text, ("When?", [answer])), seed, sentence_drop=1.0)
        assert ([p.text for p in group.passages], group.answers) == ([text], (answer,))
