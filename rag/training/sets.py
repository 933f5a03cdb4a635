"""Where a run's questions come from: a recipe's sets in a folder, or a user's own files. Part of each may be held out.

Everything becomes articles in SQuAD's shape: a title, and paragraphs with a `context` and its `qas`. Articles are held out whole,
so that nobody is examined on a text they were taught.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.chunking.split import TokenCounter, split
from rag.composing.text import content_words, coverage
from rag.errors import InputError
from rag.evaluation.gold import Question as GoldQuestion
from rag.evaluation.gold import read_jsonl
from rag.loading.files import find, load
from rag.training.data import read_squad
from rag.training.recipe import Mix, OwnRecipe, SetsRecipe, SetsStage
from rag.types import Document, Passage

Article = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Set:
    """Articles to learn from, how they are shown, and articles held out."""

    name: str
    mix: Mix
    articles: list[Article]
    held_out: list[Article]


def split_articles(articles: Sequence[Article], held_out: int, seed: int) -> tuple[list[Article], list[Article]]:
    """(training, development) articles; the same for the same seed."""
    order = sorted(articles, key=lambda article: random.Random(f"{seed}{article['title']}").random())
    return order[held_out:], order[:held_out]


def recipe_sets(recipe: SetsRecipe, stage: SetsStage, data: Path) -> list[Set]:
    """A stage's sets, from the folder `data`. Raises InputError for one that is not there."""
    return [Set(name, mix, *recipe_articles(recipe, name, data)) for name, mix in stage.sets.items()]


def recipe_articles(recipe: SetsRecipe, name: str, data: Path) -> tuple[list[Article], list[Article]]:
    """(training, held out) articles of the set `name` in the folder `data`. Raises InputError if it is not there."""
    path = data / f"{name}.json.gz"
    if not path.exists():
        raise InputError(f"no {path}, which the recipe names", "point --data at the folder with the recipe's sets")
    held_out = recipe.dev_articles if name == recipe.dev_set else 0
    return split_articles(read_squad(path), held_out, recipe.seed)


def own_set(path: Path, corpus: Path | None, count: TokenCounter, recipe: OwnRecipe) -> Set:
    """A user's own questions, SQuAD (.json, .json.gz) or gold JSON lines with the documents they are about.

    A share of the articles, `hold_out`, is held out; at least one. Raises InputError if there are fewer than two.
    """
    if path.suffix == ".jsonl":
        if corpus is None:
            raise InputError(f"{path} needs the documents its questions are about", "name their folder: --corpus FOLDER")
        articles = gold_articles(path, corpus, count, recipe.max_passage_tokens)
    else:
        articles = read_squad(path)
    if len(articles) < 2:
        raise InputError(f"{path} is about {len(articles)} documents; one is held out, so two are the least", "add questions")
    kept, dev = split_articles(articles, max(1, round(len(articles) * recipe.hold_out)), recipe.seed)
    return Set(path.stem, recipe.stage[0].own, kept, dev)


def _documents(corpus: Path) -> list[Document]:
    return [document for file in find([corpus]) for document in load(file).documents]


def gold_articles(gold: Path, corpus: Path, count: TokenCounter, tokens: int) -> list[Article]:
    """A document is an article, each of its passages a paragraph with the questions whose evidence stands in it.

    A question without an answer goes to the passage of its nearest document that holds most of its words. Raises InputError.
    """
    asked: dict[str, list[GoldQuestion]] = {}
    for question in read_jsonl(gold):
        for name in dict.fromkeys([e.document for e in question.evidence] or [question.group]):
            asked.setdefault(name, []).append(question)
    found = []
    for document in _documents(corpus):
        if document.id in asked:
            passages = split(document, count, tokens)
            paragraphs: list[dict[str, Any]] = [{"context": p.text, "qas": []} for p in passages]
            for question in asked[document.id]:
                for place in _places(question, document, passages):
                    paragraphs[place]["qas"].append(_qa(question))
            found.append({"title": document.title, "paragraphs": paragraphs})
    return found


def _places(question: GoldQuestion, document: Document, passages: Sequence[Passage]) -> list[int]:
    if not question.answers:
        asked = content_words(question.text)
        return [max(range(len(passages)), key=lambda i: coverage(asked, passages[i].text))] if passages else []
    sentences = [e.sentence for e in question.evidence if e.document == document.id]
    return [i for i, passage in enumerate(passages) if any(sentence in passage.text for sentence in sentences)][:1]


def _qa(question: GoldQuestion) -> dict[str, Any]:
    answers = [{"text": text} for text in question.answers]
    return {"id": question.id, "question": question.text, "answers": answers, "is_impossible": not answers}
