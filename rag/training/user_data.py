"""Training set from a user's questions, as SQuAD or gold JSON Lines; logs unusable ones."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.errors import InputError
from rag.evaluation.evaluator import answers_in
from rag.evaluation.gold import Question, read_jsonl
from rag.ingestion.chunking import TokenCounter, split_document
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
    if path.suffix != ".jsonl":
        articles = read_squad(path)
    elif corpus is None:
        message = f"{path} needs the documents of its questions"
        raise InputError(message, "name their folder: --corpus FOLDER")
    else:
        articles = gold_articles(path, corpus, count, recipe.max_passage_tokens)

    with_questions = [article for article in articles if _has_questions(article)]
    number = len(with_questions)
    if number < 2:
        place = f" in {corpus}" if corpus else ""
        message = f"{path} asks about {number} documents{place}; at least two are needed, since "
        message += "one is held out"
        raise InputError(message, "add questions about other documents")

    share = round(number * recipe.hold_out)
    held_out = min(number - 1, max(1, share))
    training, testing = split_articles(with_questions, held_out, recipe.seed)
    return Set(
        name=path.stem,
        mix=recipe.stage[0].own,
        articles=training,
        held_out=testing,
    )


def _has_questions(article: Article) -> bool:
    """Whether a paragraph has a question and text."""
    for paragraph in article["paragraphs"]:
        if paragraph["qas"] and paragraph["context"].strip():
            return True
    return False


def gold_articles(gold: Path, corpus: Path, count: TokenCounter, tokens: int) -> list[Article]:
    """Each document as an article, with its passages as paragraphs and the questions that belong to
    them.

    A question belongs to the passage with its evidence, once per document; without evidence, to the
    passage with an answer that shares most of its words. An unanswerable question belongs to the
    passage that shares most of its words, in its `near` document if given. Raises InputError.
    """
    passages: dict[str, list[Passage]] = {}
    articles: dict[str, Article] = {}
    for document in _documents(corpus):
        passages[document.id] = split_document(document, count, tokens)
        paragraphs = [{"context": passage.text, "qas": []} for passage in passages[document.id]]
        articles[document.id] = {"title": document.title, "paragraphs": paragraphs}

    questions = read_jsonl(gold)
    homeless = []
    for question in questions:
        places = _places(question, passages)
        if not places:
            homeless.append(question.text)
        for document_id, number in places:
            paragraph = articles[document_id]["paragraphs"][number]
            paragraph["qas"].append(_qa(question))

    if homeless:
        _log.warning(
            "%d of %d questions are left out, as no document in %s has their evidence or answer; "
            "the first: %r",
            len(homeless), len(questions), corpus, homeless[0],
        )  # fmt: skip
    return [article for article in articles.values() if _is_asked_about(article)]


def _qa(question: Question) -> dict[str, Any]:
    """The question in SQuAD's format."""
    answers = [{"text": text} for text in question.answers]
    return {
        "id": question.id,
        "question": question.text,
        "answers": answers,
        "is_impossible": not answers,
    }


def _is_asked_about(article: Article) -> bool:
    return any(paragraph["qas"] for paragraph in article["paragraphs"])


def _documents(corpus: Path) -> Iterator[Document]:
    for file in find([corpus]):
        try:
            yield from load(file).documents
        except ParseError as error:
            _log.warning("%s is left out: %s", file.path, error)


def _places(question: Question, passages: Mapping[str, Sequence[Passage]]) -> list[tuple[str, int]]:
    """The (document, number) of the passages that the question belongs to."""
    named = [evidence.document for evidence in question.evidence]
    places = []
    for document_id in dict.fromkeys(named or [question.group]):
        place = _best_place(question, passages, [document_id])
        if place:
            places.append(place)

    if not places and not question.evidence:
        place = _best_place(question, passages, passages)
        if place:
            places.append(place)
    return places


def _best_place(
    question: Question, passages: Mapping[str, Sequence[Passage]], document_ids: Iterable[str]
) -> tuple[str, int] | None:
    """The passage of these documents that proves an answer, or of those that have one the passage
    that shares most words with the question.
    """
    proofs = []
    for evidence in question.evidence:
        if any(answer in evidence.sentence for answer in question.answers):
            proofs.append(evidence)

    candidates: list[tuple[str, int]] = []
    for document_id in document_ids:
        for number, passage in enumerate(passages.get(document_id, ())):
            for proof in proofs:
                if proof.document == document_id and proof.sentence in passage.text:
                    return document_id, number
            if not question.answers or _has_answer(passage.text, question.answers):
                candidates.append((document_id, number))
    if not candidates:
        return None

    words = content_words(question.text)

    def share(place: tuple[str, int]) -> float:
        document_id, number = place
        return coverage(words, passages[document_id][number].text)

    return max(candidates, key=share)


def _has_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether the text has an answer verbatim and as whole words, as training requires."""
    for answer in answers:
        if answer in text and any(answers_in("", text, [answer])):
            return True
    return False
