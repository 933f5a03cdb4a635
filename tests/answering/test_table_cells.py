import re
from dataclasses import replace

import pytest

from rag.answering.table_cells import in_asked_columns
from rag.parsing.base import join
from rag.parsing.tables import TableText
from rag.types import Block, Document, Hit, Passage, Span
from tests.answering.readings import answer_of
from tests.answering.readings import span as made_span
from tests.fakes import document
from tests.parsing.reading import load_bytes

TEXT = """Net sales: Products | June 29, 2024: $59,939 | July 1, 2023: $65,276
Other income, net | June 29, 2024: (74) | July 1, 2023: 231
Rent | since 2020 | 900 euros
Plan: 12-month | Price of 3 months: 90
In 2023: 5 ships were sold, and in 2024 none."""
HIT = Hit(Passage("a.pdf", 0, len(TEXT), TEXT, "", ()), 1.0, 1.0, 1.0)


OTHERS = (
    "For the first quarter of 2024, we expect\nRevenue | Low: $500 | High: $520",
    "Receivables | September 30, 2023: 900 | June 30, 2023: 812",
    "Turnover | FY24: 900 | FY23: 811", "Dose | 0-12 months: 5 ml | 12-24 months: 10",
    "Notice | up to 24 months: 30 | more than 24 months: 60",
    "Ticket | from 1 January 2024: 12 | from 1 July 2024: 14", "Cash | 1 July 2023: 507",
    "Cash | 03/31/2023: 333 | 12/31/2022: 340", "Employees | Q4 2023: 95",
    "Sales | Nine Months Ended September 30, 2023: 512",
    "Warranties | Year ended December 31, 2023: 77",
    "Profit | 2022: $94 | 2021: $84 | Change: 12% | Note: 6",
    "Growth | Change vs 2022: 11% | 2023: $103 | 2022: $93",
    "Income | Q1 2023: $80 | Q2 2023: $81 | 2023: $383 | 2022: $394",
    "Balance | 2023-12-31: $105 | 2022-12-31: $95",
    "ACME | Profit before tax 2023: $107 | Profit before tax 2022: $97",
    "Value | 2023: $1.2bn | 2022: $1.1bn", "2023 | Orders: 1,007", "Year: 2023 | Orders: 2,007",
    "Licences | 2023: 108 | 2022: 98",
)  # fmt: skip


def span(text: str, name: str = "a.pdf") -> Span:
    passage_text = next(passage_text for passage_text in (TEXT, *OTHERS) if text in passage_text)
    hit = replace(HIT, passage=Passage(name, 0, len(passage_text), passage_text, "", ()))
    return Span(hit, passage_text.index(text), passage_text.index(text) + len(text), 1.0)


def table(text: str) -> tuple[str, tuple[Block, ...]]:
    """A table from lines such as "label | column: value | column: value"."""
    rows, columns = TableText(), dict[str, int]()
    for line in text.split("\n"):
        cells = []
        for cell in line.split(" | "):
            is_figure = re.search(r": [-$(]*\d[\d,.]*(?:bn|%| ml)?\)?$", cell)
            name, colon, value = cell.rpartition(": ") if is_figure else cell.partition(": ")
            if colon:
                cells.append((columns.setdefault(name, len(columns)), name, value))
            else:
                cells.append((-1, "", cell))
        rows.row(cells)
    rows.names = list(columns)
    return join([rows.part()])


def in_columns(question: str, *spans: Span) -> list[Span]:
    text, blocks = table(spans[0].hit.passage.text)

    def find(name: str) -> Document:
        return replace(document(text, name), blocks=blocks)

    return in_asked_columns(question, spans, find)


@pytest.mark.parametrize(
    ("question", "read", "cell"),
    [
        ("Product sales on July 1, 2023?", "59,939", "$65,276"),
        ("Product sales in 2024?", "59,939", "$59,939"),
        ("Product sales?", "65,276", "$65,276"),
        ("Other income in 2024?", "74", "(74)"),
        ("Other income in 2024?", "231", "(74)"),
        ("Product sales in 2024 and 2023?", "$65,276", "$65,276"),
        ("What changed in 2023?", "Net sales", "Net sales"),
        ("What is the rent in 2024?", "900 euros", "900 euros"),
        ("How many ships were sold in 2024?", "5 ships", "5 ships"),
        ("What was growth in 2022?", "$103", "$93"),
        ("Income in 2023?", "$394", "$383"),
        ("What was the balance on December 31, 2022?", "$105", "$95"),
        ("What was ACME's profit before tax in 2022?", "$107", "$97"),
        ("Value in 2022?", "$1.2bn", "$1.1bn"),
        ("How many Windows 10/11 licences are there?", "108", "108"),
    ],
)
def test_a_figure_is_the_cell_of_the_period(question: str, read: str, cell: str) -> None:
    (moved,) = in_columns(question, span(read))
    assert moved.text == cell


@pytest.mark.parametrize(
    ("question", "read", "name"),
    [
        ("Product sales in 1999?", "$65,276", "a.pdf"),
        ("Other income on April 1, 2023?", "231", "a.pdf"),
        ("Product sales in the third quarter of 2023?", "$65,276", "2023 Q2 Acme.pdf"),
        ("Other income in Q1 2024?", "(74)", "acme_3q24.pdf"),
        ("Other income in the 1st quarter of 2024?", "(74)", "2024 Q3/2024 Q2 Acme.pdf"),
        ("What were sales in the third quarter of 2023?", "512", "a.pdf"),
        ("What was profit in 2023?", "$94", "a.pdf"),
        ("How many orders in 2022?", "1,007", "a.pdf"),
        ("How many orders in 2022?", "2,007", "a.pdf"),
    ],
)
def test_a_figure_of_another_period_does_not_answer(question: str, read: str, name: str) -> None:
    assert in_columns(question, span(read, name)) == []


@pytest.mark.parametrize(
    ("question", "read", "name"),
    [
        ("Product sales in the third quarter of 2023?", "$65,276", "2023 Q3 Acme.pdf"),
        ("What does the 12-month plan cost?", "90", "a.pdf"),
        ("Product sales in the third quarter?", "$65,276", "a.pdf"),
        ("Revenue in the first quarter of 2024?", "$500", "2023 Q4 Acme.pdf"),
        ("Receivables at the end of Q2 2023?", "812", "2023 Q3 Acme.pdf"),
        ("Revenue in 2023/24?", "900", "a.pdf"),
        ("What dose for a child aged 6 months?", "5 ml", "a.pdf"),
        ("What is the notice after 30 months?", "60", "a.pdf"),
        ("What did a ticket cost on 15 March 2024?", "12", "a.pdf"),
        ("Cash on 1/7/2023?", "507", "a.pdf"),
        ("Cash in the first quarter of 2023?", "333", "2023 Q1 Acme.pdf"),
        ("How many employees at the end of fiscal year 2023?", "95", "a.pdf"),
        ("Year-to-date sales in the third quarter of 2023?", "512", "a.pdf"),
        ("Warranty cost in 2023 for products with a 24-month warranty?", "77", "a.pdf"),
        ("How many orders in 2023?", "1,007", "a.pdf"),
        ("How many orders in 2023?", "2,007", "a.pdf"),
    ],
)
def test_a_period_of_the_row_or_document_is_no_other(question: str, read: str, name: str) -> None:
    assert in_columns(question, span(read, name))


def test_spans_of_one_cell_are_one_with_the_best_score() -> None:
    weak_span = Span(HIT, span("$65,276").start, span("$65,276").end, 0.5)
    (merged,) = in_columns("Product sales in 2023?", weak_span, span("59,939"))
    assert (merged.text, merged.score) == ("$65,276", 1.0)


PRICES = """# Lido

| Ticket | Weekday | Weekend |
|---|---|---|
| Adults | 12.50 | 14.50 |
| Family of five | 22.50 | 31.50 |
| Family of three | 12.50 | 24.50 |
"""


def test_the_source_of_a_figure_is_the_asked_row() -> None:
    (lido,) = load_bytes("lido.md", PRICES)
    first = made_span(lido, "12.50", score=3.0)
    second = made_span(lido, "12.50", score=2.0, start=first.end)
    for question, row in (
        ("What does a family of three pay on a weekday?", "Family of three"),
        ("What do adults pay on a weekday?", "Adults"),
        ("Who pays 12.50?", "Adults"),
    ):
        given = answer_of(question, [lido], [first, second])
        assert given.text == "12.50"
        assert row in given.citations[0].sentence
