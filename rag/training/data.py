"""Span questions in SQuAD's shape, read into passages as the service makes them."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.chunking.split import TokenCounter, split
from rag.store.lexical import LexicalIndex
from rag.types import Document, Passage


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the passage ids (indices into the set's passages) of its paragraph, and every accepted answer."""

    text: str
    answers: tuple[str, ...]
    passages: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuestionSet:
    passages: list[Passage]
    questions: list[Question]


def read_squad(path: Path) -> list[dict[str, Any]]:
    """The articles of a SQuAD file, JSON or gzipped JSON."""
    opener: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        articles: list[dict[str, Any]] = json.load(file)["data"]
    return articles


def question_set(articles: Sequence[dict[str, Any]], count_tokens: TokenCounter, max_tokens: int = 160) -> QuestionSet:
    """Articles cut into the service's passages; a paragraph is a document, titled by its article."""
    result = QuestionSet([], [])
    for number, article in enumerate(articles):
        title = str(article["title"]).replace("_", " ")
        for index, paragraph in enumerate(article["paragraphs"]):
            document = Document(f"{number}/{index}", paragraph["context"], title, "", "")
            first = len(result.passages)
            result.passages.extend(split(document, count_tokens, max_tokens))
            ids = tuple(range(first, len(result.passages)))
            result.questions.extend(_questions(paragraph["qas"], ids))
    return result


def _questions(qas: Sequence[dict[str, Any]], ids: tuple[int, ...]) -> Iterator[Question]:
    for qa in qas:
        answers = () if qa.get("is_impossible") else tuple(dict.fromkeys(a["text"] for a in qa["answers"] if a["text"].strip()))
        yield Question(qa["question"].strip(), answers, ids)


@dataclass(frozen=True, slots=True)
class Group:
    """One training example: a question with passages that compete, and the answers to find in them (none: null)."""

    question: str
    answers: tuple[str, ...]
    passages: tuple[Passage, ...]


def groups(questions: QuestionSet, cap: int, negatives: float, absent: float, rng: random.Random) -> list[Group]:
    """At most `cap` questions with their own passages and, each with probability `negatives`, a retrieved negative.

    A negative is among the ten best by BM25, in another paragraph, without any of the answers. With probability `absent`
    the question's own passages are left out, so that null is learnt against what retrieval really brings.
    """
    index = LexicalIndex()
    index.update([], ((i, f"{p.context}\n{p.text}") for i, p in enumerate(questions.passages)))
    picked = questions.questions[:]
    rng.shuffle(picked)
    return [_group(q, questions.passages, index, negatives, absent, rng) for q in picked[:cap]]


def _group(
    question: Question,
    passages: Sequence[Passage],
    index: LexicalIndex,
    negatives: float,
    absent: float,
    rng: random.Random,
) -> Group:
    holding = [i for i in question.passages if any(a in passages[i].text for a in question.answers)]
    own = holding or list(question.passages)
    chosen, answers = own[:2], question.answers if holding else ()
    leave_out = rng.random() < absent
    if leave_out or rng.random() < negatives:
        found = [i for i, _ in index.search(question.text, 10 + len(own)) if i not in question.passages]
        fitting = [i for i in found if not any(a in passages[i].text for a in question.answers)][:10]
        if fitting and leave_out:
            chosen, answers = [], ()
        chosen += rng.sample(fitting, min(1, len(fitting)))
    return Group(question.text, answers, tuple(passages[i] for i in chosen))
