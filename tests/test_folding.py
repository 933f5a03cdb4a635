from rag.retrieval import choose, fold
from rag.types import Passage

LONG = "The lease runs for two years and can be ended with three months' notice. " * 4


def passage(text: str, document: str, heading: str = "") -> Passage:
    return Passage(document, 0, len(text), text, document, heading)


def test_equal_texts_are_one_group_at_the_best_rank() -> None:
    passages = {
        1: passage("one", "a"),
        2: passage("two", "a"),
        3: passage("one", "b"),
        4: passage("one", "c"),
    }
    assert fold([3, 2, 1, 4, 9], passages) == [[3, 1, 4], [2]]


def test_a_short_text_under_another_heading_is_not_a_copy() -> None:
    default = "The default is three."
    passages = {
        1: passage(default, "a", "Options > --depth"),
        2: passage(default, "a", "Options > --width"),
    }
    assert fold([1, 2], passages) == [[1], [2]]


def test_a_long_text_is_a_copy_under_any_heading() -> None:
    passages = {1: passage(LONG, "a", "Terms"), 2: passage(LONG, "b", "Annex")}
    assert fold([1, 2], passages) == [[1, 2]]


def test_a_retrievers_first_results_replace_the_last_groups() -> None:
    groups = [[1], [2], [3], [4], [5], [6, 7], [8]]
    assert choose(groups, {7}, 4) == [[1], [2], [3], [6, 7]]
    assert choose(groups, {4, 5, 8}, 4) == [[1], [4], [5], [8]]
    assert choose(groups, {1, 2}, 4) == groups[:4]


def test_never_more_than_requested() -> None:
    assert choose([[1], [2], [3]], {2, 3}, 1) == [[2]]
    assert choose([], {1}, 4) == []
