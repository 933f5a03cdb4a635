"""Training set from a user's questions, as SQuAD or gold JSON Lines; logs unusable ones."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    if path.suffix != ".jsonl":
        articles = read_squad(path)
    elif corpus is None:
        message = f"{path} needs the documents of its questions"
        raise InputError(message, "name their folder: --corpus FOLDER")
    else:
        articles = gold_articles(path, corpus, count, recipe.max_passage_tokens)
    with_questions = [
        article
        for article in articles
        if any(part["qas"] and part["context"].strip() for part in article["paragraphs"])
    ]
    if len(with_questions) < 2:
        place = f" in {corpus}" if corpus else ""
        message = f"{path} asks about {len(with_questions)} documents{place}; at least two are "
        message += "needed, since one is held out"
        raise InputError(message, "add questions about other documents")
    held_out = min(len(with_questions) - 1, max(1, round(len(with_questions) * recipe.hold_out)))
    parts = split_articles(with_questions, held_out, recipe.seed)
    return Set(path.stem, recipe.stage[0].own, *parts)


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
        passages[document.id] = split(document, count, tokens)
        paragraphs = [{"context": passage.text, "qas": []} for passage in passages[document.id]]
        articles[document.id] = {"title": document.title, "paragraphs": paragraphs}
    questions, homeless = read_jsonl(gold), []
    for question in questions:
        answers = [{"text": text} for text in question.answers]
        qa = {"question": question.text, "answers": answers, "is_impossible": not answers}
        for name, number in (places := _places(question, passages)):
            articles[name]["paragraphs"][number]["qas"].append({"id": question.id, **qa})
        homeless += [] if places else [question.text]
    if homeless:
        _log.warning(
            "%d of %d questions are left out, as no document in %s has their evidence or answer; "
            "the first: %r",
            len(homeless), len(questions), corpus, homeless[0],
        )  # fmt: skip
    return [a for a in articles.values() if any(part["qas"] for part in a["paragraphs"])]


def _documents(corpus: Path) -> Iterator[Document]:
    for file in find([corpus]):
        try:
            yield from load(file).documents
        except ParseError as error:
            _log.warning("%s is left out: %s", file.path, error)


def _places(question: Question, passages: Mapping[str, Sequence[Passage]]) -> list[tuple[str, int]]:
    """The (document, number) of the passages that the question belongs to."""
    proofs = [e for e in question.evidence if any(a in e.sentence for a in question.answers)]
    words = content_words(question.text)

    def best(names: Iterable[str]) -> list[tuple[str, int]]:
        candidates = [(name, n) for name in names for n in range(len(passages.get(name, ())))]

        for name, n in candidates:
            text = passages[name][n].text
            if any(proof.document == name and proof.sentence in text for proof in proofs):
                return [(name, n)]

        if question.answers:  # verbatim and as whole words, as training requires
            candidates = [
                (name, n)
                for name, n in candidates
                if (text := passages[name][n].text)
                and any(a in text and any(answers_in("", text, [a])) for a in question.answers)
            ]

        shares = [coverage(words, passages[name][n].text) for name, n in candidates]
        return [candidates[shares.index(max(shares))]] if candidates else []

    documents = dict.fromkeys([e.document for e in question.evidence] or [question.group])
    places = [place for name in documents for place in best([name])]
    return places or ([] if question.evidence else best(passages))
