import random
import re
from pathlib import Path

import pytest

from rag.errors import InputError
from rag.training.recipe import Verdicts
from rag.training.verdicts import Label, is_held_out, statements
from tests.training.helpers import write_statements

PARAGRAPHS = [
    f"The bridge of town {n} is {n}5 metres long. It was built in 18{n}0 by its people."
    for n in range(10, 60)
]
ARTICLES = [
    {"title": "Bridges", "paragraphs": [{"context": text, "qas": []} for text in PARAGRAPHS]}
]


def made(folder: Path, seed: int = 1, **mix: object) -> list[tuple[str, str, Label]]:
    write_statements(folder)
    found = statements(Verdicts(share=0.5, **mix), folder, ARTICLES, random.Random(seed))  # type: ignore[arg-type]
    return [(one.text, one.evidence, one.label) for one in found]


def test_rows_are_read_with_labels_and_a_limit(tmp_path: Path) -> None:
    found = made(tmp_path, sets={"boolq": 5, "fever": 7})
    assert len(found) == 12
    for text, evidence, label in found:
        assert (
            label
            == {"old": 0, "new": 1, "vast": 0, "tiny": 1, "far": 2}[
                evidence.split()[-1].rstrip(".")
            ]
        )
        assert re.search(r"\d", text)


def test_a_fifth_of_the_claims_is_held_out(tmp_path: Path) -> None:
    claims = {f"Town {n} is large." for n in range(8)}
    assert {text for text, _, _ in made(tmp_path, sets={"fever": 99})} == {
        c for c in claims if not is_held_out(c)
    }
    assert sum(is_held_out(f"claim {n}") for n in range(5000)) == pytest.approx(1000, abs=100)


def test_another_text_decides_nothing(tmp_path: Path) -> None:
    found = made(tmp_path, sets={"fever": 99}, elsewhere=1.0)
    own = {(text, evidence) for text, evidence, _ in made(tmp_path, sets={"fever": 99})}
    others = [
        (text, evidence, label) for text, evidence, label in found if (text, evidence) not in own
    ]
    assert others
    assert {label for _, _, label in others} == {Label.UNSAID}


def test_sentences_with_a_figure_changed_are_contradicted_by_their_paragraph(
    tmp_path: Path,
) -> None:
    found = made(tmp_path, sets={"boolq": 1}, figures=40)[1:]
    for text, evidence, label in found:
        assert (text in evidence) == (label == Label.YES)
    assert {label for _, _, label in found} == {Label.YES, Label.NO, Label.UNSAID}


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no verdict set nli.*boolq, fever|no verdict set nli"):
        made(tmp_path, sets={"nli": 5})
