import random
from pathlib import Path
from typing import Any

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
LABELS = {"old": 0, "new": 1, "vast": 0, "tiny": 1, "far": 2}


def examples(folder: Path, sets: dict[str, int], **mix: Any) -> list[tuple[str, str, Label]]:
    write_statements(folder)
    verdicts = Verdicts(share=0.5, sets=sets, **mix)
    drawn = statements(verdicts, folder, ARTICLES, random.Random(1))
    return [(row.text, row.evidence, row.label) for row in drawn]


def test_rows_are_read_with_labels_and_a_limit(tmp_path: Path) -> None:
    rows = examples(tmp_path, {"boolq": 5, "fever": 7})
    assert len(rows) == 12
    for _, evidence, label in rows:
        assert label == LABELS[evidence.split()[-1].rstrip(".")]


def test_a_fifth_of_the_claims_is_held_out(tmp_path: Path) -> None:
    claims = {f"Town {n} is large." for n in range(8)}
    drawn = {text for text, _, _ in examples(tmp_path, {"fever": 99})}
    assert drawn == {claim for claim in claims if not is_held_out(claim)}
    assert sum(is_held_out(f"claim {n}") for n in range(5000)) == pytest.approx(1000, abs=100)


def test_another_text_decides_nothing(tmp_path: Path) -> None:
    known_pairs = {row[:2] for row in examples(tmp_path, {"fever": 99})}
    rows = examples(tmp_path, {"fever": 99}, elsewhere=1.0)
    labels = {label for text, evidence, label in rows if (text, evidence) not in known_pairs}
    assert labels == {Label.UNSAID}


def test_a_paragraph_contradicts_its_sentence_with_another_figure(tmp_path: Path) -> None:
    rows = examples(tmp_path, {"boolq": 1}, figures=40)[1:]
    assert all((text in evidence) == (label == Label.YES) for text, evidence, label in rows)
    assert {label for _, _, label in rows} == {Label.YES, Label.NO, Label.UNSAID}


def test_an_unknown_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no verdict set nli"):
        examples(tmp_path, {"nli": 5})
