"""Reader scores against a manual count."""

from rag.training.data import question_set
from rag.training.evaluate import measure
from tests.fakes import BagOfWordsEmbedder, NameReader


def test_a_reader_is_scored_by_its_best_span() -> None:
    text = "The bridge at Dunve was opened in 1912. Rain fell."
    qas = [
        {"question": "When was the bridge opened at Dunve?", "answers": [{"text": "1912"}]},
        {"question": "When did the rain end at Lausanne?", "answers": [], "is_impossible": True},
    ]
    articles = [{"title": "Bridges", "paragraphs": [{"context": text, "qas": qas}]}]
    scores = measure(NameReader(), question_set(articles, BagOfWordsEmbedder().count_tokens))
    assert (scores.answerable, scores.unanswerable, scores.em, scores.f1) == (1, 1, 100.0, 100.0)
    assert (scores.best_f1, scores.auroc) == (100.0, 100.0)
