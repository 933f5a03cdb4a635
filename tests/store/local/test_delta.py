"""A delta and an index must find the same as one index of everything."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.meaning.stems import stem_words
from rag.store.local.tantivy_index import LENGTHS, LexicalIndex, length_class
from rag.store.local.views import Delta

WORDS = "herring mackerel sardine oyster the sea seas swims swim cod".split()
TEXT = st.lists(st.sampled_from(WORDS), max_size=60).map(" ".join)
TEXTS = st.lists(TEXT, max_size=12)


def index_of(texts: dict[int, str]) -> LexicalIndex:
    index = LexicalIndex()
    index.update([], texts.items())
    return index


@settings(max_examples=20)
@given(TEXTS, TEXT)
def test_alone_it_scores_like_tantivy(texts: list[str], question: str) -> None:
    passages = dict(enumerate(texts, 1))
    tail = Delta()
    tail.update([], passages.items())
    hits = tail.search(LexicalIndex(), question, 99)
    assert dict(hits) == pytest.approx(dict(index_of(passages).search(question, 99)), rel=1e-4)
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


@settings(max_examples=20)
@given(TEXTS, TEXTS, TEXT, st.integers(1, 20), st.sets(st.integers(1, 24)))
def test_with_an_index_it_scores_like_one_index(
    indexed: list[str], added: list[str], question: str, k: int, chosen: set[int]
) -> None:
    """Texts of both parts have any length; one word is in all of them."""
    texts = {i: f"{text} whelk" for i, text in enumerate([*indexed, *added], 1)}
    joint_index, index, tail = (
        index_of(texts),
        index_of({i: texts[i] for i in range(1, len(indexed) + 1)}),
        Delta(),
    )
    tail.update([], [(i, texts[i]) for i in range(len(indexed) + 1, len(texts) + 1)])
    for allowed in (None, sorted(chosen)):
        expected = dict(joint_index.search(question, 99, allowed))
        assert dict(tail.search(index, question, 99, allowed)) == pytest.approx(expected, rel=1e-4)
        scores = [score for _, score in tail.search(index, question, k, allowed)]
        assert scores == pytest.approx(sorted(expected.values(), reverse=True)[:k], rel=1e-4)


@settings(max_examples=20)
@given(TEXTS, st.lists(st.tuples(st.sets(st.integers(1, 30)), TEXTS), max_size=5))
def test_removed_passages_are_not_found(
    texts: list[str], changes: list[tuple[set[int], list[str]]]
) -> None:
    index, tail, present = index_of(dict(enumerate(texts, 1))), Delta(), dict(enumerate(texts, 1))
    last_id = len(texts)
    for removed, added in changes:
        removed &= present.keys()
        added_texts = dict(enumerate(added, last_id + 1))
        tail.update(removed, added_texts.items())
        present = {i: text for i, text in present.items() if i not in removed} | added_texts
        last_id += len(added)
        for word in WORDS:
            for k in (1, 99):
                doc_freq = {
                    i
                    for i, text in present.items()
                    if set(stem_words(word)) & set(stem_words(text))
                }
                passage_ids = {i for i, _ in tail.search(index, word, k)}
                assert passage_ids <= doc_freq
                assert len(passage_ids) == min(k, len(doc_freq))
    assert {*tail.ids().tolist()} == {i for i in present if i > len(texts)}
    assert len(tail) == len(tail.ids())


def test_lengths_are_quantised_like_lucenes() -> None:
    assert LENGTHS[:42] == [*range(41), 42]
    assert sorted({*LENGTHS}) == LENGTHS
    lengths = {0: 0, 7: 7, 39: 39, 40: 40, 41: 40, 42: 42, 57: 56, 105: 104, 1000: 984}
    assert {length: LENGTHS[length_class(length)] for length in lengths} == lengths


def test_a_word_only_in_deleted_passages_scores_above_zero() -> None:
    index, tail = index_of({1: "herring", 2: "herring"}), Delta()
    index.update([1, 2], [])
    tail.update([], [(3, "herring")])
    ((passage_id, score),) = tail.search(index, "herring", 9)
    assert (passage_id, score > 0) == (3, True)
