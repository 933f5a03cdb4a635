"""A folder and PostgreSQL give the same answers (a short run of eval.chaos.stores)."""

from collections.abc import Iterator

import pytest

from eval.chaos.stores import QUESTIONS, compare, engines
from rag.engine import Engine
from rag.query import Query
from tests.postgres import Cluster
from tests.store.helpers import schema_dsn

EVERY = 40
"""All questions are searched, and one in this many is also read."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Engine, Engine]]:
    folder = tmp_path_factory.mktemp("answers")
    with engines(folder, schema_dsn(cluster, folder)) as opened:
        yield opened


_NEAR = 0.005
"""Difference between probabilities, since both stores round scores differently."""


def test_every_gold_question_finds_the_same_passages(pair: tuple[Engine, Engine]) -> None:
    queries = [Query(question) for question in QUESTIONS]
    local_results, shared_results = (engine.retriever.find_many(queries) for engine in pair)
    assert len(local_results) == len(QUESTIONS) > 400
    for ours, theirs in zip(local_results, shared_results, strict=True):
        scores = {hit.passage: hit.score for hit in theirs.hits}
        lowest_score = theirs.hits[-1].score
        for hit in ours.hits:  # near ties may end in another order, or just outside
            assert hit.score == pytest.approx(scores.get(hit.passage, lowest_score), abs=_NEAR)


def test_answers_and_citations_are_the_same(pair: tuple[Engine, Engine]) -> None:
    comparison = compare(pair, QUESTIONS[::EVERY])
    assert set(comparison["same"].values()) == {comparison["questions"]}
    assert comparison["largest_difference_of_confidence"] < 1e-3
