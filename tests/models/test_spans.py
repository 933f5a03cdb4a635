import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.models.reader import best_spans, distinct
from rag.types import Block, BlockCell, Passage


def passage(text: str, rows: tuple[Block, ...] | None = None) -> Passage:
    return Passage("d", 0, len(text), text, "", (), rows)


LOGITS = st.lists(st.floats(-8, 8, width=32), min_size=2, max_size=12)


def reference(
    start: np.ndarray, end: np.ndarray, scored: np.ndarray, longest: int
) -> list[tuple[float, int, int]]:
    """All allowed spans, by brute force."""
    spans = []
    for start_token in range(len(start)):
        for end_token in range(start_token, min(len(end), start_token + longest)):
            if scored[start_token] and scored[end_token]:
                spans.append(
                    (
                        float(start[start_token] + end[end_token] - start[0] - end[0]),
                        start_token,
                        end_token,
                    )
                )
    return sorted(spans, key=lambda span: -span[0])


@settings(max_examples=200)
@given(st.data())
def test_equal_to_brute_force(data: st.DataObject) -> None:
    start = np.array(data.draw(LOGITS), dtype=np.float32)
    size = len(start)
    ends, flags = st.floats(-8, 8, width=32), st.booleans()
    end = np.array(data.draw(st.lists(ends, min_size=size, max_size=size)), dtype=np.float32)
    scored = np.array([False, *data.draw(st.lists(flags, min_size=size - 1, max_size=size - 1))])
    longest = data.draw(st.integers(1, 6))
    spans = sorted(best_spans(start, end, scored, longest), key=lambda span: -span[0])
    expected = reference(start, end, scored, longest)
    assert {span[1:] for span in spans} == {span[1:] for span in expected}
    assert np.allclose([span[0] for span in spans], [span[0] for span in expected], atol=1e-4)


def test_distinct_spans_do_not_overlap_and_the_best_wins() -> None:
    text = "signed on 14 July 2015 in Vienna"
    spans = distinct(passage(text), [(3.0, 10, 22), (5.0, 18, 22), (1.0, 26, 32), (0.5, 0, 6)], 2)
    assert [text[start:end] for _, start, end in spans] == ["2015", "Vienna"]


def test_a_span_is_in_one_sentence() -> None:
    text = "They met Khamenei. Gargash carried it."
    spans = distinct(passage(text), [(9.0, 9, 26), (5.0, 9, 17)], 3)
    assert [text[a:b] for _, a, b in spans] == ["Khamenei"]


def test_a_span_is_of_whole_words_in_one_cell_of_a_table() -> None:
    text = "vessels in Marlow | 39.50 in 中国的首都"
    spans = [(3.0, 3, 7), (2.0, 14, 17), (1.5, 10, 25), (1.0, 20, 25), (0.5, 29, 30), (0.4, 17, 18)]
    assert [text[a:b] for _, a, b in distinct(passage(text), spans, 9)] == [
        "vessels", "Marlow", "39.50", "中",
    ]  # fmt: skip


def test_a_bar_ends_a_cell_only_where_the_blocks_say_so() -> None:
    text = "Run ls | wc -l to count. Table: M4 | M5: steel"
    start = text.index("M4")
    row = Block("row", start, len(text), cells=(BlockCell(-1, start, len(text)),))
    spans = [(2.0, 4, 14), (1.0, start, start + 7)]
    for rows in ((), (row,)):
        in_cells = distinct(passage(text, rows), spans, 3)
        assert [text[a:b] for _, a, b in in_cells] == ["ls | wc -l", "M4 | M5"]
    in_cells = distinct(passage(text), spans, 3)
    assert in_cells == []


def test_edges_are_trimmed_by_moving_offsets() -> None:
    text = "in , Vienna ; then"
    assert [text[a:b] for _, a, b in distinct(passage(text), [(1.0, 2, 14)], 3)] == ["Vienna"]
    assert distinct(passage(" ,; "), [(1.0, 0, 4)], 3) == []
