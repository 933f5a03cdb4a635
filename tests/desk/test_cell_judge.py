"""The judge of cells, and the labelled fields that it compares with a column's question."""

from pathlib import Path

import pytest

from rag.desk import cell_judge
from rag.desk.cell_judge import CellJudge
from rag.desk.fields import fields
from rag.errors import ModelError
from tests.fakes import document

FORM = """Pilot's name: Ada Lindgren
- **Licence number:** NL-40812
Last medical exam: | Seats: 4
See https://example.org/form: it is long.
Departure 17:30
"""


def test_fields_have_their_labels_and_values_also_empty_ones() -> None:
    form = document(FORM, "form.md")
    found = [(one.label, form.text[one.start : one.end]) for one in fields(form)]
    assert found == [
        ("Pilot's name", "Ada Lindgren"),
        ("Licence number", "NL-40812"),
        ("Last medical exam", ""),
        ("Seats", "4"),
    ]


def test_the_shipped_judge_prefers_what_the_column_asks() -> None:
    judge = cell_judge.shipped()
    assert 0 < judge.unsure_from <= judge.answered_from < 1
    asked = {"log_odds": 0.0, "field": 1.0, "field_like": 0.8, "field_lead": 0.5}
    rival = {"log_odds": 0.0, "field_empty": 0.8, "field_emptier": 0.5}
    assert judge.model(asked) > judge.model(rival)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cell_judge.json"
    path.write_text("{}")
    with pytest.raises(ModelError, match=r"cell_judge\.json"):
        CellJudge.load(path)
