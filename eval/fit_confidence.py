"""Fit the confidence model: python -m eval.fit_confidence DATA OUT

DATA holds `squad-dev-36.json.gz`. Its development articles, which the reader has never read, are cut in two corpora, and every
question is asked through the shipped engine of both: of its own, where SQuAD 2.0's unanswerable questions are near misses,
and of the other, where nothing answers it. A logistic regression then learns from its features whether the best candidate is
right (token F1 of at least .5 with an accepted answer). The questions without an answer are weighted to be a third of all, a
guess at what a corpus is asked. The report says what each threshold buys; the one chosen lies between the one that serves most
questions rightly (a right answer, or a refusal where there is none) and the one at which a right answer is likelier than not.
Prints and writes JSON.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from eval.retrieval import index
from rag import build
from rag.composing.compose import candidates, features
from rag.composing.text import normalize
from rag.protocols import Embedder, Reader
from rag.retrieval import HybridRetriever
from rag.settings import Settings
from rag.training.data import read_squad
from rag.training.train import load_recipe, split_articles
from rag.types import Document, Span

FEATURES = ("gap", "margin", "dense", "coverage", "support")
UNANSWERABLE = 1 / 3
THRESHOLD = 0.4
Mask = NDArray[np.bool_]
Asked = tuple[str, tuple[str, ...], list[Span]]
"""Question, accepted answers (none: it has no answer here), spans."""


def f1(given: str, accepted: Sequence[str]) -> float:
    """Token F1 with the nearest accepted answer (SQuAD)."""
    return max((_f1(normalize(given).split(), normalize(answer).split()) for answer in accepted), default=0.0)


def _f1(given: list[str], wanted: list[str]) -> float:
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted)) if common else float(given == wanted)


def corpora(data: Path) -> list[tuple[list[Document], list[tuple[str, tuple[str, ...]]]]]:
    """Two halves of the development articles: paragraphs, and questions with their answers."""
    recipe = load_recipe()
    _, held_out = split_articles(read_squad(data / "squad-dev-36.json.gz"), recipe["dev_articles"], recipe["seed"])
    return [_corpus(held_out[half::2]) for half in (0, 1)]


def _corpus(articles: Sequence[dict[str, Any]]) -> tuple[list[Document], list[tuple[str, tuple[str, ...]]]]:
    documents, questions = [], []
    for number, article in enumerate(articles):
        for place, paragraph in enumerate(article["paragraphs"]):
            documents.append(Document(f"{number}/{place}", paragraph["context"], article["title"].replace("_", " "), "", ""))
            for qa in paragraph["qas"]:
                answers = () if qa.get("is_impossible") else tuple(answer["text"] for answer in qa["answers"])
                questions.append((qa["question"], answers))
    return documents, questions


def ask(data: Path, embedder: Embedder, reader: Reader, most: int, rng: random.Random) -> Iterator[Asked]:
    """Up to `most` questions of each half asked of each half."""
    settings = Settings.load()
    halves = corpora(data)
    for own, (documents, _) in enumerate(halves):
        with tempfile.TemporaryDirectory() as folder:
            store = build.store(Settings.load(index=folder), embedder, create=True)
            index(documents, store, embedder, settings.passage_tokens)
            retriever = HybridRetriever(store, embedder, settings.candidates, settings.alpha)
            for half, (_, questions) in enumerate(halves):
                share = most if half == own else most // 3
                for question, answers in tqdm(rng.sample(questions, min(share, len(questions))), disable=None):
                    (hits,) = retriever.retrieve([question], settings.read)
                    yield question, answers if half == own else (), reader.read(question, hits)
            store.close()


def table(asked: Sequence[Asked], retrieval: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Features of the best candidate of each question, (n, features), and whether it is right, (n,)."""
    rows, right = [], []
    for question, answers, spans in asked:
        ranked = candidates(spans, retrieval)
        if ranked:
            found = features(question, ranked[0], ranked)
            rows.append([found[name] for name in FEATURES])
            right.append(f1(ranked[0].spans[0].text, answers) >= 0.5)
    return np.array(rows), np.array(right)


def fit(asked: Sequence[Asked]) -> dict[str, Any]:
    """The weight of retrieval that makes most best candidates right, then the logistic model and its threshold."""
    retrieval = max((0.0, 2.0, 5.0, 10.0, 15.0, 20.0), key=lambda weight: int(table(asked, weight)[1].sum()))
    rows, right = table(asked, retrieval)
    answerable = np.array([bool(answers) for _, answers, spans in asked if spans])
    weight = np.where(answerable, (1 - UNANSWERABLE) / answerable.mean(), UNANSWERABLE / (1 - answerable.mean()))
    scale = rows.std(axis=0) + 1e-9
    model = LogisticRegression(C=1.0, max_iter=1000).fit(rows / scale, right, sample_weight=weight)
    sure = model.predict_proba(rows / scale)[:, 1]
    return {
        "weights": dict(zip(FEATURES, (model.coef_[0] / scale).round(4).tolist(), strict=True)),
        "bias": round(float(model.intercept_[0]), 4),
        "threshold": THRESHOLD,
        "retrieval": retrieval,
        "report": {
            "questions": len(asked),
            "answerable": int(answerable.sum()),
            "best candidate right, of answerable": _share(right, answerable),
            "auroc of right": round(float(roc_auc_score(right, sure, sample_weight=weight)), 4),
            "by threshold": {str(at): _bought(right, sure >= at, answerable, weight) for at in (0.25, 0.3, 0.4, 0.5, 0.6)},
        },
    }


def _bought(right: Mask, given: Mask, answerable: Mask, weight: NDArray[np.float64]) -> dict[str, float]:
    """What a threshold buys that gives the answers in `given`."""
    return {
        "answered, of answerable": _share(given, answerable),
        "answered, of unanswerable": _share(given, ~answerable),
        "right, of answered": round(float(np.average(right[given], weights=weight[given])), 4),
        "served rightly": round(float(np.average(np.where(given, right, ~answerable), weights=weight)), 4),
    }


def _share(holds: Mask, among: Mask) -> float:
    return round(float(holds[among].mean()), 4)


def main(data: Path, out: Path) -> None:
    settings = Settings.load()
    asked = list(ask(data, build.embedder(settings), build.reader(settings), 300, random.Random(0)))
    fitted = fit(asked)
    out.write_text(json.dumps(fitted, indent=2) + "\n")
    print(json.dumps(fitted, indent=2))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
