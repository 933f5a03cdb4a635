"""One table in all formats that can have it gives the same answers."""

import csv
import functools
import io
from collections.abc import Callable

import pytest

from rag import build
from rag.answering.candidate import said
from rag.answering.table_figures import figure_findings
from rag.answering.table_matcher import Matcher
from rag.answering.table_questions import table_question
from rag.facts import number_of
from rag.settings import Settings
from tests.parsing.reading import load_bytes
from tests.parsing.table_pages import WAYS, SpecTable

TABLE = SpecTable(
    name="bakery",
    title="Sales by product",
    line="(in millions of euros)",
    heads=[["Product", "2022", "2023"]],
    rows=[
        ["Bread", "412.5", "438.1"],
        ["Cakes (1)", "265.0", "301.7"],
        ["Biscuits", "198.4", "176.2"],
        ["Returns", "(14.2)", "(8.6)"],
        ["Total", "861.7", "907.4"],
    ],
)
ANSWERS = {
    "What were Tolland's sales of cakes in 2023?": "301.7",
    "What were Tolland's returns in 2022?": "(14.2)",
    "Which product had the highest sales in 2022?": "Bread",
    "How much higher were sales of bread than sales of biscuits in 2023?": (
        "438.1 − 176.2 = 261.9 million EUR, computed from two cells"
    ),
    "By how much did the sales of biscuits fall from 2022 to 2023?": (
        "198.4 − 176.2 = 22.2 million EUR, computed from two cells"
    ),
    "What were Tolland's sales of pastries in 2023?": None,
}
"""The answer to each question; None is a refusal."""
Write = Callable[[SpecTable], bytes]


def comma_separated(table: SpecTable) -> bytes:
    """The title and the line that states the unit, then the table."""
    file = io.StringIO()
    csv.writer(file).writerows([[table.title], [table.line], *table.heads, *table.rows])
    return file.getvalue().encode()


FILES: dict[str, tuple[str, Write]] = {"csv": ("csv", comma_separated)}
for kind, ways in WAYS.items():
    for way, write in ways.items():
        FILES[f"{kind}, {way}"] = (kind, write)


@functools.cache
def matcher() -> Matcher:
    return Matcher.shipped(build.embedder(Settings()).embed_passages)


def answers(kind: str, write: Write) -> dict[str, str | None]:
    """What the figures of a file answer; a figure alone as its number."""
    (document,) = load_bytes(f"tolland.{kind}", write(TABLE))
    texts: dict[str, str | None] = {}
    for text in ANSWERS:
        question = table_question(text)
        assert question is not None
        candidates = figure_findings(question, [document], matcher()).candidates
        words = [said(candidate, {document.id: document}).text for candidate in candidates]
        texts[text] = as_number(words[0]) if words else None
    return texts


def as_number(answer: str | None) -> str | None:
    """The number of a figure, which a sheet may state as "-14.2"; other answers as they are."""
    number = number_of(answer) if answer and answer[-1] in "0123456789)" else None
    return answer if number is None else f"{number:g}"


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_a_table_gives_the_same_answers_in_each_format(file: str) -> None:
    expected = {question: as_number(answer) for question, answer in ANSWERS.items()}
    assert answers(*FILES[file]) == expected
