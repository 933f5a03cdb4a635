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
from rag.ingestion.chunking import TokenCounter, split_document
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
        for article in articles:
            _check_article(article)
    return articles


def _check_article(article: Article) -> None:
    """Raises what reading the article for training would raise."""
    str(article["title"])
    for paragraph in article["paragraphs"]:
        paragraph["context"].strip()
        for qa in paragraph["qas"]:
            qa["question"].strip()
            if qa.get("is_impossible"):
                continue
            for answer in qa["answers"]:
                answer["text"].strip()


def question_set(
    articles: Sequence[Article], count_tokens: TokenCounter, max_tokens: int = 160
) -> QuestionSet:
    """Articles in the service's passages; a paragraph is a document. Blank ones are left out."""
    passages: list[Passage] = []
    questions: list[TrainingQuestion] = []

    for number, article in enumerate(articles):
        title = str(article["title"]).replace("_", " ")
        for index, paragraph in enumerate(article["paragraphs"]):
            document = Document(
                id=f"{number}/{index}",
                text=paragraph["context"],
                title=title,
                source="",
                sha256="",
            )
            first_index = len(passages)
            passages.extend(split_document(document, count_tokens, max_tokens))
            own_passages = tuple(range(first_index, len(passages)))
            if not own_passages:
                continue

            for qa in paragraph["qas"]:
                question = TrainingQuestion(
                    text=qa["question"].strip(),
                    answers=_accepted(qa),
                    passages=own_passages,
                )
                questions.append(question)

    return QuestionSet(passages, questions)


def _accepted(qa: Mapping[str, Any]) -> tuple[str, ...]:
    """The question's answers, each once; none for a question that has no answer."""
    if qa.get("is_impossible"):
        return ()
    texts = [answer["text"] for answer in qa.get("answers", ())]
    return tuple(dict.fromkeys(text for text in texts if text.strip()))


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
    picked = questions.questions[:]
    rng.shuffle(picked)
    names: list[str] = []
    for question in picked:
        names += _names(question.text)

    maker = _GroupMaker(questions.passages, names, mix, rng)
    drawn = []
    for question in picked[: mix.cap]:
        group = maker.group(question)
        # longer answers are for the sentence head
        are_short = all(len(answer.split()) <= _MAX_SPAN_WORDS for answer in group.answers)
        drawn.append(replace(group, spans=mix.spans and are_short))
    return drawn


class _GroupMaker:
    """Makes examples of questions, some of them changed so that the text does not answer them, in
    the shares that `mix` gives. `names` are what the questions name.
    """

    def __init__(
        self, passages: Sequence[Passage], names: Sequence[str], mix: Mix, rng: random.Random
    ) -> None:
        self._passages = passages
        self._names = names
        self._mix = mix
        self._rng = rng
        self._index = LexicalIndex()
        self._index.update([], ((i, p.in_context) for i, p in enumerate(passages)))

    def group(self, question: TrainingQuestion) -> Group:
        mix = self._mix
        holding = [i for i in question.passages if self._has_answer(i, question)]
        chosen = (holding or list(question.passages))[:2]
        answers = question.answers if holding else ()

        draw = self._rng.random()
        is_to_swap = draw < mix.entity_swap
        is_to_shorten = not is_to_swap and draw < mix.entity_swap + mix.sentence_drop
        is_to_leave_out = draw > 1 - mix.drop_gold

        if is_to_swap and answers:
            swapped = _swapped(question.text, self._names, self._rng)
            if swapped:
                return self._of(chosen, swapped, ())

        if is_to_shorten and answers:
            without_answer = self._rng.random() < 0.5
            shortened = _without_answering_sentences(
                [self._passages[i] for i in chosen],
                answers,
                without_answer,
                self._rng,
            )
            if shortened:
                return Group(question.text, () if without_answer else answers, shortened)

        if is_to_leave_out or self._rng.random() < mix.negatives:
            fitting = self._negatives(question, 10 + (len(holding) or len(question.passages)))
            if fitting and is_to_leave_out:
                chosen = []
                answers = ()
            chosen += self._rng.sample(fitting, min(mix.negatives_per_question, len(fitting)))
        return self._of(chosen, question.text, answers)

    def _of(self, numbers: Sequence[int], question: str, answers: tuple[str, ...]) -> Group:
        passages = tuple(self._passages[number] for number in numbers)
        return Group(question, answers, passages)

    def _has_answer(self, number: int, question: TrainingQuestion) -> bool:
        text = self._passages[number].text
        return any(answer in text for answer in question.answers)

    def _negatives(self, question: TrainingQuestion, depth: int) -> list[int]:
        """At most ten passages without an answer, of the `depth` that share most words."""
        fitting = []
        for number, _ in self._index.search(question.text, depth):
            if number not in question.passages and not self._has_answer(number, question):
                fitting.append(number)
        return fitting[:10]


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
        is_same_type = name[0].isdigit() == replaced[0].isdigit()
        is_other = name not in question and replaced not in name
        if is_same_type and is_other:
            return question.replace(replaced, name)
    return None


def _without_answering_sentences(
    passages: Sequence[Passage], answers: Sequence[str], answering: bool, rng: random.Random
) -> tuple[Passage, ...] | None:
    """The passages without the sentences that answer, or each without one that does not. None if
    nothing of a passage would be left, or if the result would wrongly contain an answer or lack it.
    """

    def is_answering(text: str) -> bool:
        return any(answer in text for answer in answers)

    shortened = []
    for passage in passages:
        sentences = [passage.text[start:end] for start, end in split_sentences(passage.text)]
        removed = [n for n, text in enumerate(sentences) if is_answering(text) == answering]
        if removed and not answering:
            removed = [rng.choice(removed)]
        kept = [text for n, text in enumerate(sentences) if n not in removed]
        shortened.append(replace(passage, text=" ".join(kept)))

    for passage in shortened:
        if not passage.text or is_answering(passage.text) == answering:
            return None
    return tuple(shortened)


def retrieved_groups(name: str, most_questions: int, data: Path, rng: random.Random) -> list[Group]:
    """Up to `most_questions` of `data`/NAME-groups.jsonl.gz, each with the passages that search
    returned for it.

    A row has `question`, `answers`, `spans`, `passages`, each [title and heading, text], and
    `whole` if the answer is a whole passage. Raises InputError for a missing file or another
    format.
    """
    path = set_path(data, f"{name}-groups.jsonl.gz")

    with reading(path, "gzipped JSON lines", "make it with eval.experiments.reader_groups"):
        rows = list(json_lines(path))
        rng.shuffle(rows)
        return [_retrieved_group(row) for row in rows[:most_questions]]


def _retrieved_group(row: Mapping[str, Any]) -> Group:
    passages = []
    for number, (context, text) in enumerate(row["passages"]):
        passage = Passage(
            document_id=str(number),
            start=0,
            end=len(text),
            text=text,
            title=context,
            headings=(),
        )
        passages.append(passage)

    return Group(
        question=row["question"],
        answers=tuple(row["answers"]),
        passages=tuple(passages),
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

    def draw(article: Article) -> float:
        return random.Random(f"{seed}{article['title']}").random()

    order = sorted(articles, key=draw)
    return order[held_out:], order[:held_out]


def recipe_articles(
    recipe: SetsRecipe | EmbedderRecipe, name: str, data: Path
) -> tuple[list[Article], list[Article]]:
    """(training, held-out) articles of the set `name` in `data`. Raises InputError without it."""
    held_out = 0
    if name == recipe.dev_set:
        held_out = recipe.dev_articles
    elif isinstance(recipe, SetsRecipe):
        held_out = recipe.held_out.get(name, 0)

    path = set_path(data, f"{name}.json.gz")
    return split_articles(read_squad(path), held_out, recipe.seed)


def set_path(data: Path, name: str) -> Path:
    """A set's file in `data` or a subfolder. Raises InputError if it is missing."""
    for path in (data / name, *sorted(data.glob(f"*/{name}"))):
        if path.exists():
            return path
    message = f"no {data / name}, which the recipe names"
    raise InputError(message, "point --data at the folder with the recipe's sets")
