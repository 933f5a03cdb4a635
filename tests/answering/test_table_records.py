"""Cells of exported tables: the row that a question names, and the column that it asks for."""

import pytest

from rag import build
from rag.answering.candidate import Candidate, said
from rag.answering.table_matcher import Matcher
from rag.answering.table_records import (
    RecordMatcher,
    cells_of,
    definitions,
    polarity,
    record_candidates,
)
from rag.answering.table_rows import named_rows, records_of
from rag.settings import Settings
from rag.types import Document
from tests.parsing.reading import load_bytes

FERRIES = """ferry,harbour,seats,rescues_91_00,strandings_91_00,rescues_01_10,strandings_01_10
Blue Heron,Tarn,320,4,1,7,0
Curlew*,Ulness,85,0,0,2,3
Dunlin,Tarn,140,11,2,5,6
Grey Wagtail,Ulness,60,1,0,0,0
"""
README = """# Ferries

Header | Definition
---|---
`rescues_91_00` | Number of passengers saved from the water, 1991-2000
`rescues_01_10` | Number of passengers saved from the water, 2001-2010
"""
PIES = """Pie,Contains meat,Vegan,Price
Leek Crown,0,1,2.4
Pork Squire,1,0,3.1
Plum Lattice,0,0,2.8
"""
VOTES = """date,For,Against,Abstained
2025-06-12,19,3,11
2024-06-05,20,2,12
"""
TIDES = """date,high_water,low_water
2019-3-7,5.31,0.82
2019-3-8,5.02,1.07
2019-11-8,4.44,1.61
"""
POLAR = {"yes_no": 0.9, "span": 0.1}
SPAN = {"span": 1.0}


@pytest.fixture(scope="module")
def matcher() -> RecordMatcher:
    figures = Matcher.shipped(build.embedder(Settings()).embed_passages)
    return RecordMatcher.shipped(figures)


def document(name: str, text: str) -> Document:
    (loaded,) = load_bytes(name, text.encode())
    return loaded


def proposed(
    matcher: RecordMatcher, name: str, text: str, question: str, odds: dict[str, float]
) -> tuple[Document, Candidate | None]:
    table = document(name, text)
    candidates = record_candidates(question, [table], None, matcher, odds)
    return table, candidates[0] if candidates else None


@pytest.mark.parametrize(
    ("name", "text", "question", "cell"),
    [
        ("ferries.csv", FERRIES, "How many rescues did the Dunlin have from 1991 to 2000?", "11"),
        ("ferries.csv", FERRIES, "strandings of the Curlew between 2001 and 2010", "3"),
        ("ferries.csv", FERRIES, "How many seats does the Blue Heron have?", "320"),
        ("ferries.csv", FERRIES, "what harbour is the grey wagtail in", "Ulness"),
        ("tides.csv", TIDES, "high water on 8 March 2019", "5.02"),
        ("tides.csv", TIDES, "low water on November 8", "1.61"),
        ("pies.csv", PIES, "price of the Plum Lattice", "2.8"),
    ],
)
def test_a_cell_is_found_by_its_row_and_column(
    matcher: RecordMatcher, name: str, text: str, question: str, cell: str
) -> None:
    table, candidate = proposed(matcher, name, text, question, SPAN)
    assert candidate is not None
    assert said(candidate, {table.id: table}).text == cell


@pytest.mark.parametrize(
    ("name", "text", "question"),
    [
        ("ferries.csv", FERRIES, "How many rescues did the Dunlin have from 2011 to 2020?"),
        ("ferries.csv", FERRIES, "How many rescues did the Sandpiper have from 1991 to 2000?"),
        ("tides.csv", TIDES, "high water on 9 March 2019"),
    ],
)
def test_another_row_or_period_is_never_given(
    matcher: RecordMatcher, name: str, text: str, question: str
) -> None:
    _, candidate = proposed(matcher, name, text, question, SPAN)
    assert candidate is None


@pytest.mark.parametrize(
    ("name", "text", "question", "verdict"),
    [
        ("pies.csv", PIES, "Does the Leek Crown contain meat?", "no"),
        ("pies.csv", PIES, "is the leek crown vegan", "yes"),
        ("ferries.csv", FERRIES, "Did the Curlew have any rescues from 1991 to 2000?", "no"),
        ("ferries.csv", FERRIES, "Did the Curlew have any rescues from 2001 to 2010?", "yes"),
    ],
)
def test_a_flag_or_a_count_says_yes_or_no_with_its_row(
    matcher: RecordMatcher, name: str, text: str, question: str, verdict: str
) -> None:
    table, candidate = proposed(matcher, name, text, question, POLAR)
    assert candidate is not None
    assert candidate.verdict == verdict
    (place,) = candidate.places
    label = question.split(" the ")[1].split()[0]
    assert label.lower() in table.text[place.start : place.end].lower()


def test_a_cell_is_no_verdict_where_the_question_compares(matcher: RecordMatcher) -> None:
    question = "Did the Dunlin have more than 10 rescues from 1991 to 2000?"
    _, candidate = proposed(matcher, "ferries.csv", FERRIES, question, POLAR)
    assert candidate is None


def test_two_things_that_are_compared_name_no_row() -> None:
    tables = list(records_of(document("ferries.csv", FERRIES)))
    assert not named_rows("seats: Blue Heron or Dunlin", tables)
    (named,) = named_rows("seats: blueheron", tables)
    assert named.label == "Blue Heron"


RETURNS = """company,2021,2022,2023
Ferrum,$100,$129,$139
Peers,$100,$112,$120
"""


@pytest.mark.parametrize(
    "question",
    ["vote of the council 12 june 2025 result", "How did the council vote on 5 June 2024?"],
)
def test_no_cell_is_given_if_the_question_names_the_row_only(
    matcher: RecordMatcher, question: str
) -> None:
    _, candidate = proposed(matcher, "votes.csv", VOTES, question, SPAN)
    assert candidate is None


def test_a_column_may_be_named_by_a_stop_word() -> None:
    records = list(records_of(document("votes.csv", VOTES)))
    columns = [cell.column for cell in cells_of("vote of 12 June 2025", records, {})]
    assert columns == ["For", "Against", "Abstained"]


def test_columns_of_periods_alone_do_not_say_what_is_measured(matcher: RecordMatcher) -> None:
    question = "How much did the Peers spend on buildings in 2023?"
    _, candidate = proposed(matcher, "ferrum.csv", RETURNS, question, SPAN)
    assert candidate is None


def test_the_name_of_the_document_names_no_row() -> None:
    (table,) = records_of(document("Dunlin.csv", FERRIES))
    assert not named_rows("How many seats does the Dunlin have?", [table])
    assert named_rows("How many seats does the Blue Heron have?", [table])


def test_a_data_dictionary_defines_columns_and_their_parts() -> None:
    table = document("ferries.csv", FERRIES)
    readme = document("README.md", README)
    defined = definitions([table, readme])
    assert defined["rescues_91_00"].startswith("Number of passengers saved")
    assert "strandings_91_00" not in defined


def test_the_columns_that_name_rows_are_texts_days_or_years() -> None:
    (ferries,) = records_of(document("ferries.csv", FERRIES))
    assert [ferries.columns[column] for column in ferries.names] == ["ferry"]
    (pies,) = records_of(document("pies.csv", PIES))
    assert {pies.columns[column] for column in pies.flags} == {"Contains meat", "Vegan"}
    (years,) = records_of(document("hens.csv", "year,hens\n1990,40\n2000,31\n2010,22\n"))
    assert [years.columns[column] for column in years.names] == ["year"]


@pytest.mark.parametrize(
    ("question", "likelihood"),
    [
        ("Had the Dunlin any rescues?", 1.0),
        ("dunlin, anyone saved", 1.0),
        ("dunlin seats", 0.1),
        ("how many seats has any ferry", 0.1),
    ],
)
def test_the_words_of_a_question_say_that_it_wants_yes_or_no(
    question: str, likelihood: float
) -> None:
    assert polarity(question, {"yes_no": 0.1}) == likelihood
