"""A user's questions are assigned to passages, and those without one are reported."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from rag.errors import InputError
from rag.training.recipe import OwnRecipe, load_recipe
from rag.training.user_data import gold_articles, own_set
from tests.fakes import BagOfWordsEmbedder

count = BagOfWordsEmbedder().count_tokens
LEASE = "The lease of the flat ends on 31 May 2027. The rent is 900 euros. It is due on the first."
ROOF = "The roof was mended in 2015. The roofer gave ten years of warranty, until 2025."


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "lease.md").write_text(LEASE)
    (folder / "roof.md").write_text(ROOF)
    return folder


def gold(corpus: Path, *lines: dict[str, Any]) -> Path:
    path = corpus.parent / "mine.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    return path


def placed(path: Path, corpus: Path, tokens: int) -> dict[str, str]:
    """Passage by question."""
    articles = gold_articles(path, corpus, count, tokens)
    paragraphs = [p for article in articles for p in article["paragraphs"]]
    return {qa["question"]: p["context"] for p in paragraphs for qa in p["qas"]}


def test_questions_belong_to_evidence_answer_or_most_of_their_words(corpus: Path) -> None:
    evidence = [{"document": "notes/lease.md", "sentence": "The rent is 900 euros."}]
    path = gold(
        corpus,
        {"question": "What is the rent?", "answers": ["900 euros"], "evidence": evidence},
        {"question": "Until when is the warranty?", "answers": ["2025"]},
        {"question": "When was the roof mended?", "answers": ["2015"]},
        {"question": "Who mended the roof?", "answers": []},
        {"question": "Who owns it?", "answers": [], "near": "notes/lease.md"},
    )
    passages = placed(path, corpus, 12)
    assert len(passages) == 5
    assert passages["Who owns it?"] in LEASE
    assert "900 euros" in passages["What is the rent?"]
    assert "2025" in passages["Until when is the warranty?"]
    assert "mended in 2015" in passages["When was the roof mended?"]
    assert "roof" in passages["Who mended the roof?"]


def test_what_is_left_out_is_named(corpus: Path, caplog: pytest.LogCaptureFixture) -> None:
    (corpus / "picture.png").write_bytes(b"\x89PNG\r\n")
    (corpus / "empty.txt").write_text("")
    elsewhere = [{"document": "notes/garden.md", "sentence": "The tree is 9 metres tall."}]
    path = gold(
        corpus,
        {"question": "When was the roof mended?", "answers": ["2015"]},
        {"question": "How tall is the tree?", "answers": ["9 metres"], "evidence": elsewhere},
        {"question": "Who is the plumber?", "answers": ["Mary Holt"]},
    )
    with caplog.at_level(logging.WARNING):
        assert placed(path, corpus, 60) == {"When was the roof mended?": ROOF}
    for words in ("2 of 3 questions are left out", "How tall is the tree?", "picture.png is left"):
        assert words in caplog.text
    assert "empty.txt is left out" in caplog.text


@pytest.mark.parametrize("hold_out", [0.0, 0.2, 1.0])
def test_at_least_one_document_is_held_out_but_not_all(corpus: Path, hold_out: float) -> None:
    recipe = load_recipe(OwnRecipe).model_copy(update={"hold_out": hold_out})
    rows = [{"question": "When was it mended?", "answers": ["2015"]}]
    path = gold(corpus, *rows, {"question": "The rent?", "answers": ["900"]})
    user_set = own_set(path, corpus, count, recipe)
    assert len(user_set.articles) == len(user_set.held_out) == 1
    with pytest.raises(InputError, match="--corpus"):
        own_set(path, None, count, recipe)


def test_articles_without_questions_or_text_do_not_count(tmp_path: Path) -> None:
    questions = [{"question": "When?", "answers": [{"text": "2015"}]}]
    texts: dict[str, tuple[str, list[Any]]] = {
        "a": ("In 2015.", questions),
        "b": ("In 2015.", questions),
    }
    texts |= {"bare": ("In 2016.", []), "blank": (" ", questions)}
    articles = [
        {"title": title, "paragraphs": [{"context": text, "qas": qas}]}
        for title, (text, qas) in texts.items()
    ]
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"data": articles}))
    user_set = own_set(path, None, count, load_recipe(OwnRecipe))
    assert {article["title"] for article in user_set.articles + user_set.held_out} == {"a", "b"}
    path.write_text(json.dumps({"data": articles[1:]}))
    with pytest.raises(InputError, match="asks about 1 documents"):
        own_set(path, None, count, load_recipe(OwnRecipe))
