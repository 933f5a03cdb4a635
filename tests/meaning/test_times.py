import pytest

from rag.meaning.compare import Relation, compare
from rag.meaning.dates import times
from rag.meaning.figures import figures


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        ("the 14:40 appointment", "twenty to three", Relation.SAME),
        ("2.40 pm", "14:40", Relation.SAME),
        ("at 9 a.m.", "nine o'clock", Relation.SAME),
        ("noon", "12:00", Relation.SAME),
        ("midnight", "00:00", Relation.SAME),
        ("half past nine", "21:30", Relation.SAME),
        ("a quarter to five", "16:45", Relation.SAME),
        ("half past nine", "10:30", Relation.CONTRADICTS),
        ("14:40", "02:40", Relation.CONTRADICTS),
        ("3 pm", "3 am", Relation.CONTRADICTS),
    ],
)
def test_times_of_day_compare(one: str, other: str, relation: Relation) -> None:
    (first,), (second,) = times(one), times(other)
    assert compare(first, second) is relation
    assert compare(second, first) is relation


@pytest.mark.parametrize(
    "text", ["five to ten people", "a ratio of 3:1", "25:10", "13 pm", "section 2.40", "1:2:3:4"]
)
def test_other_numbers_are_no_times(text: str) -> None:
    assert times(text) == []


def test_a_time_is_one_value_of_a_text() -> None:
    (time, count) = figures("At twenty to three there were 12 people.")
    assert (time.text, time.quantity, count.text) == ("twenty to three", None, "12 people")
