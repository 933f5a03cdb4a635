"""How good a reader is on gold passages: python -m eval.reader READER DATA

On the articles of squad-dev-36 that the recipe holds out of training: EM and F1 of the best span on answerable questions (SQuAD
1.1), F1 over all questions at the best threshold on the span's score, and AUROC of that score for answerability (SQuAD 2.0).
The reader sees the question's own paragraph as passages of the service. Prints JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score
from tqdm import tqdm

from rag import build
from rag.chunking.split import split
from rag.evaluation.scoring import exact, f1
from rag.settings import Settings
from rag.training.data import read_squad
from rag.training.train import load_recipe, split_articles
from rag.types import Document, Hit

Row = tuple[float, float, float, bool]
"""Score of the best span, EM, F1, whether the question has an answer."""


def ask(setting: str, data: Path) -> list[Row]:
    """Every question of the held-out articles."""
    recipe = load_recipe()
    _, articles = split_articles(read_squad(data / "squad-dev-36.json.gz"), recipe["dev_articles"], recipe["seed"])
    settings = Settings.load(reader=setting)
    embedder, reader = build.embedder(settings), build.reader(settings)
    rows = []
    for article, paragraph in tqdm([(a, p) for a in articles for p in a["paragraphs"]], disable=None):
        document = Document("d", paragraph["context"], article["title"].replace("_", " "), "", "")
        hits = [Hit(passage, 1.0, 1.0, 1.0) for passage in split(document, embedder.count_tokens, settings.passage_tokens)]
        for qa in paragraph["qas"]:
            answers = [] if qa.get("is_impossible") else [answer["text"] for answer in qa["answers"]]
            best = reader.read(qa["question"], hits)[0]
            rows.append((best.score, exact(best.text, answers), f1(best.text, answers), bool(answers)))
    return rows


def report(rows: list[Row]) -> dict[str, float]:
    score, em, overlap, answerable = (np.array(column) for column in zip(*rows, strict=True))
    order = np.argsort(-score)
    refused_right = (~answerable).sum() - np.cumsum(~answerable[order])
    best = max(np.cumsum(overlap[order]) + refused_right) / len(rows)
    return {
        "answerable": int(answerable.sum()),
        "unanswerable": int((~answerable).sum()),
        "em": round(float(em[answerable].mean()), 4),
        "f1": round(float(overlap[answerable].mean()), 4),
        "squad2 best f1": round(float(best), 4),
        "answerability auroc": round(float(roc_auc_score(answerable, score)), 4),
    }


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(json.dumps(report(ask(sys.argv[1], Path(sys.argv[2]))), indent=2))
