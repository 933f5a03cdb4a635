"""The judge of cells, and the labelled fields that it compares with a column's question."""

from pathlib import Path

import pytest

from rag.answering.candidate import Candidate
from rag.answering.compose import Ranked
from rag.answering.judge import Logistic
from rag.desk import cell_judge
from rag.desk.cell_judge import CellJudge, CellValue, likeliest
from rag.desk.fields import fields
from rag.errors import ModelError
from rag.meaning.values import Surroundings, typed_value
from rag.types import Citation, YesNo, in_a_cell
from tests.fakes import document

FORM = """Pilot's name: Ada Lindgren
- **Licence number:** NL-40812
Last medical exam: | Seats: 4
See https://example.org/form: it is long.
Departure 17:30
"""


def test_fields_have_their_labels_and_values_also_empty_ones() -> None:
    form = document(FORM, "form.md")
    labelled_values = [(field.label, form.text[field.start : field.end]) for field in fields(form)]
    assert labelled_values == [
        ("Pilot's name", "Ada Lindgren"),
        ("Licence number", "NL-40812"),
        ("Last medical exam", ""),
        ("Seats", "4"),
    ]


def test_the_shipped_judge_prefers_what_the_column_asks() -> None:
    judge = cell_judge.shipped()
    assert 0 < judge.unsure_from <= judge.answered_from < 1
    of_asked_column = {"log_odds": 0.0, "field": 1.0, "field_like": 0.8, "field_lead": 0.5}
    rival = {"log_odds": 0.0, "field_empty": 0.8, "field_emptier": 0.5}
    assert judge.model(of_asked_column) > judge.model(rival)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cell_judge.json"
    path.write_text("{}")
    with pytest.raises(ModelError, match=r"cell_judge\.json"):
        CellJudge.load(path)


def verdict(says: YesNo, probability: float, quotes: int = 1) -> CellValue:
    words = in_a_cell(says)
    quote = Citation("d", "D", (), "", "0", 0, 4, "Dogs", 0, 4, "Dogs", None)
    ranked = Ranked(Candidate("yes_no", "yes_no", (), verdict=says), probability)
    typed = typed_value(words, "yes_no")
    return CellValue(words, typed, (quote,) * quotes, Surroundings(), ranked, probability)


JUDGE = CellJudge(Logistic({}, 0.0), 0.5, 0.4, undecided=(0.3, 0.7))


@pytest.mark.parametrize(
    ("values", "is_decided"),
    [
        ([verdict("yes", 0.9), verdict("no", 0.1)], True),
        ([verdict("yes", 0.9), verdict("no", 0.8)], False),
        ([verdict("yes", 0.6)], False),
        ([verdict("yes", 0.2), verdict("no", 0.1)], True),
    ],
)
def test_two_likely_verdicts_are_undecided(values: list[CellValue], is_decided: bool) -> None:
    leading_value = likeliest(values, is_lenient=False)
    assert leading_value is not None
    assert (leading_value.verdict, JUDGE.is_decided(leading_value)) == ("yes", is_decided)


def test_yes_and_yes_on_a_condition_add_up_where_both_count() -> None:
    values = [verdict("yes", 0.3, quotes=2), verdict("condition", 0.25), verdict("no", 0.4)]
    strict, lenient = likeliest(values, is_lenient=False), likeliest(values, is_lenient=True)
    assert strict is not None
    assert lenient is not None
    assert (strict.verdict, strict.probability) == ("no", 0.4)
    assert (lenient.verdict, lenient.probability) == ("condition", 0.55), "the shorter quote"
    assert likeliest([], is_lenient=True) is None
