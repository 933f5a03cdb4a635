from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from rag.models.remembered import RememberingEmbedder
from rag.protocols import Vectors
from tests.fakes import BagOfWordsEmbedder


class Counting(BagOfWordsEmbedder):
    """Notes what it was given to embed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[str]] = []

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        self.seen.append(list(texts))
        return super().embed_queries(texts)


def test_a_question_is_embedded_once_and_keeps_its_place() -> None:
    inner = Counting()
    embedder = RememberingEmbedder(inner)
    embedder.embed_queries(["who", "when"])
    again = embedder.embed_queries(["when", "where", "who", "where"])
    assert inner.seen == [["who", "when"], ["where"]]
    assert np.array_equal(
        again, BagOfWordsEmbedder().embed_queries(["when", "where", "who", "where"])
    )
    assert (embedder.remembered, embedder.embedded) == (3, 3)


def test_the_longest_unasked_is_forgotten_first() -> None:
    inner = Counting()
    embedder = RememberingEmbedder(inner, most=2)
    for question in ("a", "b", "a", "c", "a", "b"):
        embedder.embed_queries([question])
    assert inner.seen == [["a"], ["b"], ["c"], ["b"]]


def test_what_a_caller_does_to_a_vector_stays_with_the_caller() -> None:
    embedder = RememberingEmbedder(BagOfWordsEmbedder())
    embedder.embed_queries(["who"])[:] = 0
    assert embedder.embed_queries(["who"]).any()


def test_no_question_is_no_row() -> None:
    assert RememberingEmbedder(BagOfWordsEmbedder()).embed_queries([]).shape == (0, 64)


def test_threads_get_their_own_vectors() -> None:
    embedder = RememberingEmbedder(BagOfWordsEmbedder(), most=8)
    questions = [f"word{i}" for i in range(20)] * 20
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda question: embedder.embed_queries([question])[0], questions))
    assert np.array_equal(np.stack(found), BagOfWordsEmbedder().embed_queries(questions))
    assert embedder.remembered + embedder.embedded == len(questions)
