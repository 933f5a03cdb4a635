"""Reads span questions in SQuAD's format, with passages split as by the service, and the sets that
a recipe names. Whole articles may be held out, so that no text is used for both training and
testing.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rag.errors import InputError
from rag.evaluation.set_files import json_lines, open_text, reading
from rag.ingestion.chunking import TokenCounter, split
from rag.meaning.sentences import split_sentences
from rag.store.local.tantivy_index import LexicalIndex
from rag.training.recipe import EmbedderRecipe, Mix, SetsRecipe
from rag.types import Document, Passage

_MAX_SPAN_WORDS = 25
Article = dict[str, Any]
"""In SQuAD's format: a title, and paragraphs with a `context` and its `qas`."""


@dataclass(frozen=True, slots=True)
class TrainingQuestion:
    """A question, every accepted answer, its paragraph's passages (indices into the set's), and
    hard negatives from retrieval (also indices), which embedders need.
    """

    text: str
    answers: tuple[str, ...]
    passages: tuple[int, ...]
    negatives: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class QuestionSet:
    passages: list[Passage]
    questions: list[TrainingQuestion]


def read_squad(path: Path) -> list[Article]:
    """The articles of a SQuAD file, JSON or gzipped JSON. Raises InputError for another format."""
    hint = "give SQuAD 1.1 or 2.0 as it is distributed, or questions of your own as .jsonl; see "
    hint += "eval/README.md"
    with reading(path, "SQuAD JSON", hint), open_text(path) as file:
        articles: list[Article] = json.load(file)["data"]
        for article in articles:  # raises what reading them for training would raise
            str(article["title"])
            for paragraph in article["paragraphs"]:
                paragraph["context"].strip()
                for qa in paragraph["qas"]:
                    qa["question"].strip()
                    for answer in () if qa.get("is_impossible") else qa["answers"]:
                        answer["text"].strip()
    return articles


def question_set(
    articles: Sequence[Article], count_tokens: TokenCounter, max_tokens: int = 160
) -> QuestionSet:
    """Articles in the service's passages; a paragraph is a document. Blank ones are left out."""
    result = QuestionSet([], [])
    for number, article in enumerate(articles):
        title = str(article["title"]).replace("_", " ")
        for index, paragraph in enumerate(article["paragraphs"]):
            document = Document(f"{number}/{index}", paragraph["context"], title, "", "")
            first = len(result.passages)
            result.passages.extend(split(document, count_tokens, max_tokens))
            ids = tuple(range(first, len(result.passages)))
            for qa in paragraph["qas"] if ids else ():
                texts = [a["text"] for a in qa.get("answers", ()) if a["text"].strip()]
                answers = () if qa.get("is_impossible") else tuple(dict.fromkeys(texts))
                result.questions.append(TrainingQuestion(qa["question"].strip(), answers, ids))
    return result


@dataclass(frozen=True, slots=True)
class Group:
    """One training example: a question, competing passages, and the answers to find in them (none
    for null). `spans` says whether the span head also learns from it. If the answer is a `whole`
    passage, which of its sentences belong to the answer is not known.
    """

    question: str
    answers: tuple[str, ...]
    passages: tuple[Passage, ...]
    spans: bool = True
    whole: bool = False


def groups(questions: QuestionSet, mix: Mix, rng: random.Random) -> list[Group]:
    """A set's examples. Negatives are among BM25's ten best and contain none of the answers."""
    index = LexicalIndex()
    index.update([], ((i, p.in_context) for i, p in enumerate(questions.passages)))
    picked, passages = questions.questions[:], questions.passages
    rng.shuffle(picked)
    names = [name for question in picked for name in _names(question.text)]

    def group(question: TrainingQuestion) -> Group:
        def answers_in(i: int) -> bool:
            return any(answer in passages[i].text for answer in question.answers)

        holding = list(filter(answers_in, question.passages))
        passages_of = holding or list(question.passages)
        chosen, answers = passages_of[:2], question.answers if holding else ()
        draw = rng.random()
        if draw < mix.entity_swap and answers and (swapped := _swapped(question.text, names, rng)):
            return Group(swapped, (), tuple(passages[i] for i in chosen))
        if mix.entity_swap <= draw < mix.entity_swap + mix.sentence_drop and answers:
            answering = rng.random() < 0.5
            if shortened := _shortened([passages[i] for i in chosen], answers, answering, rng):
                return Group(question.text, () if answering else answers, shortened)
        leave_out = draw > 1 - mix.drop_gold
        if leave_out or rng.random() < mix.negatives:
            ranked = [i for i, _ in index.search(question.text, 10 + len(passages_of))]
            fitting = [i for i in ranked if i not in question.passages and not answers_in(i)][:10]
            if fitting and leave_out:
                chosen, answers = [], ()
            chosen += rng.sample(fitting, min(mix.negatives_per_question, len(fitting)))
        return Group(question.text, answers, tuple(passages[i] for i in chosen))

    drawn = []
    for one in map(group, picked[: mix.cap]):
        # longer answers are for the sentence head
        are_short = all(len(answer.split()) <= _MAX_SPAN_WORDS for answer in one.answers)
        drawn.append(replace(one, spans=mix.spans and are_short))
    return drawn


_NUMBER = re.compile(r"\b\d[\d,.]*\d\b")
_NAME = re.compile(r"(?<=[a-z] )[A-Z]\w+(?: [A-Z]\w+)*")


def _names(question: str) -> list[str]:
    """Numbers and names in a question, except its first word."""
    return _NUMBER.findall(question) + _NAME.findall(question)


def _swapped(question: str, names: Sequence[str], rng: random.Random) -> str | None:
    """The question with another question's name or number of the same type; None without one."""
    named = _names(question)
    if not named:
        return None
    replaced = rng.choice(named)
    for name in rng.sample(names, min(50, len(names))):
        if (
            name[0].isdigit() == replaced[0].isdigit()
            and name not in question
            and replaced not in name
        ):
            return question.replace(replaced, name)
    return None


def _shortened(
    passages: Sequence[Passage], answers: Sequence[str], answering: bool, rng: random.Random
) -> tuple[Passage, ...] | None:
    """The passages without the sentences that answer, or each without one that does not. None if
    nothing of a passage would be left, or if the result would wrongly contain an answer or lack it.
    """

    def is_answering(text: str) -> bool:
        return any(answer in text for answer in answers)

    texts = []
    for passage in passages:
        sentences = [passage.text[start:end] for start, end in split_sentences(passage.text)]
        places = [n for n, text in enumerate(sentences) if is_answering(text) == answering]
        removed = places if answering else places and [rng.choice(places)]
        texts.append(" ".join(text for n, text in enumerate(sentences) if n not in removed))
    if not all(text and is_answering(text) != answering for text in texts):
        return None
    return tuple(replace(p, text=text) for p, text in zip(passages, texts, strict=True))


def retrieved_groups(name: str, most: int, data: Path, rng: random.Random) -> list[Group]:
    """At most `most` questions of `data`/NAME-groups.jsonl.gz, each with the passages that search
    returned for it.

    A row has `question`, `answers`, `spans`, `passages`, each [title and heading, text], and
    `whole` if the answer is a whole passage. Raises InputError for a missing file or another
    format.
    """
    path = set_path(data, f"{name}-groups.jsonl.gz")

    with reading(path, "gzipped JSON lines", "make it with eval.experiments.reader_groups"):
        rows = list(json_lines(path))
        rng.shuffle(rows)
        return [_retrieved_group(row) for row in rows[:most]]


def _retrieved_group(row: Mapping[str, Any]) -> Group:
    passages = tuple(
        Passage(
            document_id=str(number),
            start=0,
            end=len(text),
            text=text,
            title=context,
            headings=(),
        )
        for number, (context, text) in enumerate(row["passages"])
    )
    return Group(
        question=row["question"],
        answers=tuple(row["answers"]),
        passages=passages,
        spans=row["spans"],
        whole=row.get("whole", False),
    )


@dataclass(frozen=True, slots=True)
class Set:
    """Articles to learn from, how to show them, and held-out articles."""

    name: str
    mix: Mix
    articles: list[Article]
    held_out: list[Article]


def split_articles(
    articles: Sequence[Article], held_out: int, seed: int
) -> tuple[list[Article], list[Article]]:
    """(training, development) articles; the same for the same seed."""
    order = sorted(articles, key=lambda a: random.Random(f"{seed}{a['title']}").random())
    return order[held_out:], order[:held_out]


def recipe_articles(
    recipe: SetsRecipe | EmbedderRecipe, name: str, data: Path
) -> tuple[list[Article], list[Article]]:
    """(training, held-out) articles of the set `name` in `data`. Raises InputError without it."""
    path = set_path(data, f"{name}.json.gz")
    other_sets = recipe.held_out if isinstance(recipe, SetsRecipe) else {}
    held_out = recipe.dev_articles if name == recipe.dev_set else other_sets.get(name, 0)
    return split_articles(read_squad(path), held_out, recipe.seed)


def set_path(data: Path, name: str) -> Path:
    """A set's file in `data` or a subfolder. Raises InputError if it is missing."""
    for path in (data / name, *sorted(data.glob(f"*/{name}"))):
        if path.exists():
            return path
    message = f"no {data / name}, which the recipe names"
    raise InputError(message, "point --data at the folder with the recipe's sets")
