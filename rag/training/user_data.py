"""Training set from a user's own questions, as SQuAD or gold JSON Lines. Unusable questions are
logged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rag.errors import InputError
from rag.evaluation.evaluator import answers_in
from rag.evaluation.gold import Question, read_jsonl
from rag.ingestion.chunking import TokenCounter, split
from rag.meaning.words import content_words, coverage
from rag.parsing.base import ParseError
from rag.parsing.files import find
from rag.parsing.load import load
from rag.training.data import Article, Set, read_squad, split_articles
from rag.training.recipe import OwnRecipe
from rag.types import Document, Passage

_log = logging.getLogger(__name__)


def own_set(path: Path, corpus: Path | None, count: TokenCounter, recipe: OwnRecipe) -> Set:
    """The set of a SQuAD file (.json, .json.gz), or of gold JSON Lines with the documents in
    `corpus`.

    The share `hold_out` of the articles is held out: at least one article, and not all. Raises
    InputError if the questions are about fewer than two.
    """
    if path.suffix == ".jsonl":
        if corpus is None:
            raise InputError(
                f"{path} needs the documents of its questions", "name their folder: --corpus FOLDER"
            )
        articles = gold_articles(path, corpus, count, recipe.max_passage_tokens)
    else:
        articles = read_squad(path)
    with_questions = [
        article
        for article in articles
        if any(p["qas"] and p["context"].strip() for p in article["paragraphs"])
    ]
    if len(with_questions) < 2:
        counted = f"{path} asks about {len(with_questions)} documents" + (
            f" in {corpus}" if corpus else ""
        )
        raise InputError(
            f"{counted}; at least two are needed, since one is held out",
            "add questions about other documents",
        )
    held_out = min(len(with_questions) - 1, max(1, round(len(with_questions) * recipe.hold_out)))
    return Set(
        path.stem, recipe.stage[0].own, *split_articles(with_questions, held_out, recipe.seed)
    )


def gold_articles(gold: Path, corpus: Path, count: TokenCounter, tokens: int) -> list[Article]:
    """Each document as an article, with its passages as paragraphs and the questions that belong to
    them.

    A question belongs to the passage with its evidence, once per document; without evidence, to the
    passage with an answer that shares most of its words. An unanswerable question belongs to the
    passage that shares most of its words, in its `near` document if given. Raises InputError.
    """
    shelf = _Shelf.of(_documents(corpus), count, tokens)
    questions = read_jsonl(gold)
    homeless = [question for question in questions if not _put(question, shelf)]
    if homeless:
        first = f"the first: {homeless[0].text!r}"
        why = f"no document in {corpus} has their evidence or answer"
        _log.warning(
            "%d of %d questions are left out, as %s; %s", len(homeless), len(questions), why, first
        )
    return [
        article
        for article in shelf.articles.values()
        if any(p["qas"] for p in article["paragraphs"])
    ]


@dataclass(frozen=True, slots=True)
class _Shelf:
    """Passages and article of each document, by id."""

    passages: dict[str, list[Passage]]
    articles: dict[str, Article]

    @classmethod
    def of(cls, documents: Iterator[Document], count: TokenCounter, tokens: int) -> _Shelf:
        shelf = cls({}, {})
        for document in documents:
            shelf.passages[document.id] = passages = split(document, count, tokens)
            paragraphs = [{"context": passage.text, "qas": []} for passage in passages]
            shelf.articles[document.id] = {"title": document.title, "paragraphs": paragraphs}
        return shelf


def _documents(corpus: Path) -> Iterator[Document]:
    for file in find([corpus]):
        try:
            yield from load(file).documents
        except ParseError as error:
            _log.warning("%s is left out: %s", file.path, error)


def _put(question: Question, shelf: _Shelf) -> bool:
    """Add the question to its passages. Returns whether there are any."""
    documents = dict.fromkeys([e.document for e in question.evidence] or [question.group])
    places = [
        place
        for name in documents
        if name in shelf.passages
        for place in _in_document(question, name, shelf.passages[name])
    ]
    if not places and not question.evidence:
        places = list(_anywhere(question, shelf))
    for name, number in places:
        answers = [{"text": text} for text in question.answers]
        qa = {
            "id": question.id,
            "question": question.text,
            "answers": answers,
            "is_impossible": not answers,
        }
        shelf.articles[name]["paragraphs"][number]["qas"].append(qa)
    return bool(places)


def _in_document(
    question: Question, name: str, passages: Sequence[Passage]
) -> list[tuple[str, int]]:
    if not question.answers:
        return [(name, _nearest(question, passages))] if passages else []
    proofs = [
        e.sentence
        for e in question.evidence
        if e.document == name and any(a in e.sentence for a in question.answers)
    ]
    proving = [
        number
        for number, passage in enumerate(passages)
        if any(sentence in passage.text for sentence in proofs)
    ]
    answering = [number for number, passage in enumerate(passages) if _answers(question, passage)]
    if proving or not answering:
        return [(name, proving[0])] if proving else []
    return [(name, answering[_nearest(question, [passages[number] for number in answering])])]


def _anywhere(question: Question, shelf: _Shelf) -> Iterator[tuple[str, int]]:
    """The passage that shares most of the question's words, of those with an answer if it has
    answers.
    """
    places = [
        (name, number)
        for name, passages in shelf.passages.items()
        for number in range(len(passages))
    ]
    if question.answers:
        places = [
            (name, number)
            for name, number in places
            if _answers(question, shelf.passages[name][number])
        ]
    if places:
        yield places[_nearest(question, [shelf.passages[name][number] for name, number in places])]


def _answers(question: Question, passage: Passage) -> bool:
    """Whether the passage contains an answer verbatim and as whole words, as training requires."""
    return any(
        a in passage.text and any(answers_in("", passage.text, [a])) for a in question.answers
    )


def _nearest(question: Question, passages: Sequence[Passage]) -> int:
    words = content_words(question.text)
    return max(range(len(passages)), key=lambda number: coverage(words, passages[number].text))
