"""The fitted fusion: its features, and what it does for questions in other words."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.fusion import (
    FEATURES,
    Candidates,
    Fusion,
    PassageScores,
    Vocabulary,
    convex_sum,
    features,
    shipped,
)
from rag.meaning.stems import stem_words
from rag.types import Passage

TEXTS = (
    "The licensee must reply within three days.",
    "Cats and dogs need a licence. Apply at the counter.",
    "Run `backup --keep 7` once a day.",
)


def passages(texts: Sequence[str], document: str = "rules.md") -> list[Passage]:
    starts = np.cumsum([0, *(len(text) + 1 for text in texts)]).tolist()
    return [
        Passage(document, start, start + len(text), text, "Rules", ("Rules", "Animals"))
        for start, text in zip(starts, texts, strict=False)
    ]


def candidates(
    texts: Sequence[str],
    dense: Sequence[float],
    lexical: Sequence[float],
    named_documents: frozenset[str] = frozenset(),
) -> Candidates:
    by_meaning = np.argsort(np.argsort(-np.array(dense))) + 1
    by_words = np.argsort(np.argsort(-np.array(lexical))) + 1
    return Candidates(
        numbers=list(range(1, len(texts) + 1)),
        passages=passages(texts),
        dense=np.array(dense, dtype=np.float32),
        lexical=np.array(lexical, dtype=np.float32),
        dense_ranks=by_meaning,
        lexical_ranks=np.where(np.array(lexical) > 0, by_words, 0),
        named=named_documents,
    )


def vocabulary(texts: Sequence[str] = TEXTS) -> Vocabulary:
    stems = [set(stem_words(text)) for text in texts]

    def doc_freq(words: Sequence[str]) -> dict[str, int]:
        counts = {word: sum(word in stems_of_text for stems_of_text in stems) for word in words}
        return {word: count for word, count in counts.items() if count}

    return Vocabulary(stem_words, doc_freq, len(texts))


def column(question: str, searched: Candidates, name: str) -> list[float]:
    rows = features(question, searched, vocabulary())
    values: list[float] = rows[:, FEATURES.index(name)].round(3).tolist()
    return values


def row(*numbers: float) -> PassageScores:
    return np.array(numbers, dtype=np.float32)


def test_the_convex_sum_scales_both_scores_from_minimum_to_best() -> None:
    sums = convex_sum(row(1, 0), row(4, 8))
    assert sums == pytest.approx([0.7 + 0.15, 0.35 + 0.3])
    assert convex_sum(row(0.2), row(0)) == pytest.approx([0.7])
    assert len(convex_sum(row(), row())) == 0


def test_close_cosines_are_spread() -> None:
    cosines, zeros = row(*(0.8 + np.arange(21) / 200)), row(*[0] * 21)
    assert convex_sum(cosines, zeros) == pytest.approx(0.7 * np.arange(21) / 20, abs=1e-6)
    assert convex_sum(cosines[:3], zeros[:3])[0] > 0.69
    assert convex_sum(row(*cosines, 0.1), row(*zeros, 0))[0] > 0.6


def test_words_codes_and_numbers_are_found_where_they_stand() -> None:
    searched = candidates(TEXTS, [0.5, 0.4, 0.3], [0.0, 1.0, 2.0])
    question = "does backup --keep take 7 cats"
    assert column(question, searched, "codes_present") == [0, 0, 1]
    assert column(question, searched, "numbers_present") == [0, 0, 1]
    in_text = column(question, searched, "text_coverage")
    assert in_text[0] == 0 < in_text[1] < in_text[2]


def test_named_documents_are_told_apart() -> None:
    searched = candidates(
        TEXTS, [0.5, 0.4, 0.3], [0, 1, 2], named_documents=frozenset({"other.md"})
    )
    assert column("cats", searched, "names_other") == [1, 1, 1]
    assert column("cats", searched, "names_document") == [0, 0, 0]


@given(
    st.lists(st.tuples(st.text(max_size=80), st.floats(-1, 1), st.floats(0, 30)), min_size=1),
    st.text(max_size=80),
)
def test_any_question_gives_finite_features_and_probabilities(
    rows: list[tuple[str, float, float]], question: str
) -> None:
    texts, dense, lexical = zip(*rows, strict=True)
    searched = candidates(texts, dense, lexical)
    table = features(question, searched, vocabulary())
    assert table.shape == (len(texts), len(FEATURES))
    assert np.isfinite(table).all()
    probabilities = shipped().probabilities(question, searched, vocabulary())
    assert probabilities.sum() == pytest.approx(1, abs=1e-4)
    assert (probabilities >= 0).all()


def test_the_order_of_candidates_changes_nothing() -> None:
    searched = candidates(TEXTS, [0.5, 0.4, 0.3], [0.5, 1.0, 2.0])
    turned = Candidates(
        numbers=searched.numbers[::-1],
        passages=searched.passages[::-1],
        dense=searched.dense[::-1],
        lexical=searched.lexical[::-1],
        dense_ranks=searched.dense_ranks[::-1],
        lexical_ranks=searched.lexical_ranks[::-1],
    )
    expected = shipped().probabilities("cats at the counter", searched, vocabulary())
    turned_around = shipped().probabilities("cats at the counter", turned, vocabulary())
    assert expected == pytest.approx(turned_around[::-1], abs=1e-5)


def test_a_file_of_other_features_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "fusion.safetensors"
    save_file({"mean": np.zeros(3, dtype=np.float32)}, path)
    with pytest.raises(ValueError, match="3 features"):
        Fusion.load(path)
