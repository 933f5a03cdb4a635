"""BM25 in PostgreSQL gives the same scores as the local store."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.filters import Filter, parse
from rag.protocols import Store
from rag.store.postgres.sparse_bm25 import CorpusStatistics, Term, essential
from tests.postgres import Cluster
from tests.store.helpers import local, postgres, put_vectors, unit

VOCABULARY = [f"w{number}" for number in range(400)]


def text(source: random.Random, limit: int = 110) -> str:
    """1 to `limit` words from a long-tailed distribution."""
    places = (int(source.paretovariate(0.6)) - 1 for _ in range(source.randint(1, limit)))
    return " ".join(VOCABULARY[min(399, place)] for place in places)


@pytest.fixture(scope="module")
def pair(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Store]]:
    """A local and a PostgreSQL store with the same 600 passages of various lengths."""
    folder = tmp_path_factory.mktemp("words")
    stores = [local(folder), postgres(cluster)(folder)]
    source = random.Random(1)
    texts = [text(source) for _ in range(600)]
    for store in stores:
        with store.writing():
            for start in range(0, len(texts), 40):
                put_vectors(store, f"d{start}", texts[start : start + 40], unit(40))
    yield stores
    for store in stores:
        store.close()


def scores(stores: list[Store], question: str, filter: Filter = ()) -> list[dict[int, float]]:
    return [dict(store.lexical(question, 1000, filter)) for store in stores]


@pytest.mark.parametrize("filter", [[], ["document=d40"]])
def test_every_score_is_tantivys(pair: list[Store], filter: list[str]) -> None:
    """Also below a filter that leaves 40 passages: the word index is used for words in fewer
    passages, and skipped for others.
    """
    source = random.Random(2)
    for question in [*VOCABULARY[::10], *(text(source, 8) for _ in range(40))]:
        theirs, ours = scores(pair, question, parse(filter))
        assert ours == pytest.approx(theirs, rel=1e-4)


def test_a_word_that_fills_a_passage_scores_nearly_alike(cluster: Cluster, tmp_path: Path) -> None:
    """Scores of words that occur more than 63 times are within 3 %; see sparse_bm25.py."""
    stores = [local(tmp_path), postgres(cluster)(tmp_path)]
    for store in stores:
        put_vectors(store, "a", ["fish " * count for count in (1, 60, 64, 100, 200)], unit(5))
        put_vectors(store, "b", ["a boat"], unit(1))
    theirs, ours = scores(stores, "fish")
    stores[1].close()
    assert ours == pytest.approx(theirs, rel=0.03)
    assert len(ours) == 5


def test_scoring_order_changes_nothing(pair: list[Store], monkeypatch: pytest.MonkeyPatch) -> None:
    source = random.Random(4)
    questions = [text(source, 8) for _ in range(60)]
    expected = [pair[1].lexical(question, 10) for question in questions]
    monkeypatch.setattr("rag.store.postgres.search._MOST_DIRECT", 20)
    monkeypatch.setattr("rag.store.postgres.search._MOST_SELECTIVE", 10)
    assert [pair[1].lexical(question, 10) for question in questions] == expected


def test_a_passage_without_an_essential_word_cannot_score_more() -> None:
    collection = CorpusStatistics(passages=1000, words=50_000, classes=90)
    words = [Term(1, 900, 5), Term(2, 400, 3), Term(3, 2, 1)]
    for threshold in (0.0, 0.2, 1.0, 3.0, 9.0):
        needed = essential(words, collection, threshold)
        assert sum(collection.bound(word) for word in words if word not in needed) <= threshold
    assert essential(words, collection, 0.0) == sorted(words, key=collection.bound)


def test_deletion_restores_the_statistics(cluster: Cluster, tmp_path: Path) -> None:
    """Deleted and replaced passages count in no score, as in an index that never contained them."""
    factory = postgres(cluster)
    changed, unchanged = factory(tmp_path / "changed"), factory(tmp_path / "fresh")
    put_vectors(changed, "gone", ["fish and more fish", "trees"], unit(2))
    put_vectors(changed, "kept", ["an older text of fish"], unit(1))
    for store in (changed, unchanged):
        put_vectors(store, "kept", ["fish swim in the sea", "a boat"], unit(2))
        put_vectors(store, "other", ["herring are fish"], unit(1))
    changed.delete("gone")
    ours, theirs = (
        list(scores_of_store.values())
        for scores_of_store in scores([changed, unchanged], "fish trees sea")
    )
    assert ours == theirs != []
    changed.close()
    unchanged.close()
