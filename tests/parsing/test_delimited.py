from __future__ import annotations

from datetime import date, datetime

import openpyxl
import pytest

from rag.ingestion.chunking import split
from rag.parsing.delimited import parse
from rag.parsing.load import load_bytes
from rag.structure import sections
from tests.fakes import BagOfWordsEmbedder
from tests.parsing.archives import saved

ROWS = "Name;Born;Note\nAda;1815;First\n\nBo;;\n"


def test_each_row_is_a_passage_with_its_headers() -> None:
    (document,) = load_bytes("people.csv", ROWS.encode())
    assert document.text == "Name: Ada | Born: 1815 | Note: First\n\nName: Bo"
    passages = split(document, BagOfWordsEmbedder().count_tokens)
    assert [(p.heading, p.text) for p in passages] == [
        ("row 2", "Name: Ada | Born: 1815 | Note: First"),
        ("row 4", "Name: Bo"),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(separator: str) -> None:
    assert parse(ROWS.replace(";", separator))[0].startswith("Name: Ada | Born: 1815 | Note: First")


def test_quotes_line_ends_and_more_cells_than_headers() -> None:
    text, _, _ = parse('A,B\r\n"x, ""y""\nz",2,3\r\n')
    assert text == 'A: x, "y"\nz | B: 2 | 3'


def test_without_headers_every_row_is_a_row() -> None:
    text, blocks, _ = parse("Ada,1815\nBo,1912")
    assert text == "Ada | 1815\n\nBo | 1912"
    assert [s.heading for s in sections(blocks)] == ["row 1", "row 2"]


def test_a_title_above_the_headers() -> None:
    text, blocks, _ = parse("Stock of May,,\n,,\nItem,Shelf,Price\nGrinder,B4,79\n")
    assert text == "Stock of May\n\nItem: Grinder | Shelf: B4 | Price: 79"
    assert [s.heading for s in sections(blocks)] == ["row 1", "row 4"]


def test_a_long_question_is_a_header_over_short_answers() -> None:
    asked = "How satisfied are you with the onboarding of new colleagues in your team this year?"
    assert parse(f"Name,{asked}\nAda,very\n")[0] == f"Name: Ada | {asked}: very"


def test_headers_alone_and_one_column() -> None:
    assert parse("Name,Born\n")[0] == "Name | Born"
    assert parse("Ada\nBo")[0] == "Ada\n\nBo"


def test_a_long_value_is_a_paragraph_of_its_own() -> None:
    long = "A long story. " * 20
    text, blocks, _ = parse(f"Name,Story\nAda,{long}\n")
    assert text == f"Name: Ada\n\nStory: {long.strip()}"
    assert [s.heading for s in sections(blocks)] == ["row 2"]


def book() -> bytes:
    made = openpyxl.Workbook()
    sheet = made.active
    assert sheet is not None
    sheet.title = "Catch"
    for row in (
        ["Port", "Tons", "Day"],
        ["Muscat", 12.0, date(2024, 3, 5)],
        ["Sur", 2.5, datetime(2024, 3, 5, 10, 30)],
        [None, True],
    ):
        sheet.append(row)
    made.create_sheet("Empty")
    made.create_sheet("Hidden").append(["secret"])
    made["Hidden"].sheet_state = "hidden"
    made.properties.title, made.properties.creator = "Fish", "Ada"
    made.properties.created = datetime(2024, 5, 1)
    return saved(made)


def test_a_workbook() -> None:
    (document,) = load_bytes("fish.xlsx", book())
    rows = [
        "Port: Muscat | Tons: 12 | Day: 2024-03-05",
        "Port: Sur | Tons: 2.5 | Day: 2024-03-05 10:30",
        "Tons: True",
    ]
    assert document.text == "\n\n".join(["Catch", *rows, "Empty"])
    assert [s.heading for s in sections(document.blocks)] == [
        "Catch", "Catch > row 2", "Catch > row 3", "Catch > row 4", "Empty",
    ]  # fmt: skip
    assert (document.title, document.metadata["author"], document.metadata["date"]) == (
        "Fish",
        "Ada",
        "2024-05-01",
    )


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            "No\tText\n1\tThe rent is 1,200 euros, due monthly, in advance.\n",
            "No: 1 | Text: The rent is 1,200 euros, due monthly, in advance.",
        ),
        (
            "Datum;Zweck;Betrag\n02.01.2026;Miete, Januar, Wohnung 3;-950,00\n",
            "Datum: 02.01.2026 | Zweck: Miete, Januar, Wohnung 3 | Betrag: -950,00",
        ),
        ('Name,Likes\nAnn,"tea; no milk; a cat"\n', "Name: Ann | Likes: tea; no milk; a cat"),
        ("1,5;2,5;3,5\n4,5;5,5;6,5\n", "1,5 | 2,5 | 3,5\n\n4,5 | 5,5 | 6,5"),
        ("a,b,c", "a | b | c"),
    ],
)
def test_separators_within_cells_split_nothing(source: str, text: str) -> None:
    assert parse(source)[0] == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Country,2019,2020\nIran,34.8,30.6\n", "Country: Iran | 2019: 34.8 | 2020: 30.6"),
        ("Ada,1815,1852\nBo,1914,1999\n", "Ada | 1815 | 1852\n\nBo | 1914 | 1999"),
        ("2019,2020\n1,2\n", "2019 | 2020\n\n1 | 2"),
    ],
)
def test_years_are_headers_above_other_values(source: str, text: str) -> None:
    assert parse(source)[0] == text
