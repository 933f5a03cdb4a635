"""Reader scores against scikit-learn and a manual count."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from rag.evaluation.statistics import auroc
from rag.training.data import question_set
from rag.training.evaluate import measure
from tests.fakes import BagOfWordsEmbedder, NameReader

ROWS = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30)


@given(ROWS)
def test_auroc_equals_scikit_learns(rows: list[tuple[int, bool]]) -> None:
    score, positive = np.array([s for s, _ in rows], dtype=float), np.array([p for _, p in rows])
    if positive.all() or not positive.any():
        assert auroc(score[positive], score[~positive]) is None
    else:
        found = auroc(score[positive], score[~positive])
        assert found == pytest.approx(roc_auc_score(positive, score))


def test_a_reader_is_scored_by_its_best_span() -> None:
    text = "The bridge at Dunve was opened in 1912. Rain fell."
    qas = [
        {"question": "When was the bridge opened at Dunve?", "answers": [{"text": "1912"}]},
        {"question": "When did the rain end at Lausanne?", "answers": [], "is_impossible": True},
    ]
    articles = [{"title": "Bridges", "paragraphs": [{"context": text, "qas": qas}]}]
    found = measure(NameReader(), question_set(articles, BagOfWordsEmbedder().count_tokens))
    assert (found.answerable, found.unanswerable, found.em, found.f1) == (1, 1, 100.0, 100.0)
    assert (found.best_f1, found.auroc) == (100.0, 100.0)
