from datetime import date, datetime

import openpyxl
import pytest

from rag.facts import tables
from rag.ingestion.chunking import split_document
from rag.parsing.delimited import parse
from tests.fakes import BagOfWordsEmbedder
from tests.parsing.archives import saved_bytes
from tests.parsing.reading import headings, load_bytes

ROWS = "Name;Born;Note\nAda;1815;First\n\nBo;;\n"
LONG = "A long story. " * 20
ASKED = "How satisfied are you with the onboarding of new colleagues in your team this year?"


def test_each_row_is_a_passage_with_its_headers() -> None:
    (document,) = load_bytes("people.csv", ROWS)
    rows = ["Name: Ada | Born: 1815 | Note: First", "Name: Bo"]
    assert document.text == "\n\n".join(rows)
    passages = split_document(document, BagOfWordsEmbedder().count_tokens)
    assert [p.headings for p in passages] == [("row 2",), ("row 4",)]
    assert [p.text for p in passages] == rows


@pytest.mark.parametrize(
    ("source", "text"),
    [
        *((ROWS.replace(";", mark), parse(ROWS).text) for mark in ",\t|"),
        # quotes, line ends, and more cells than headers
        ('A,B\r\n"x, ""y""\nz",2,3\r\n', 'A: x, "y"\nz | B: 2 | 3'),
        ("Ada,1815\nBo,1912", "Ada | 1815\n\nBo | 1912"),
        (f"Name,{ASKED}\nAda,very\n", f"Name: Ada | {ASKED}: very"),
        ("Name,Born\n", "Name | Born"),
        ("Ada\nBo", "Ada\n\nBo"),
        ("a,b,c", "a | b | c"),
        (f"Name,Story\nAda,{LONG}\n", f"Name: Ada\n\nStory: {LONG.strip()}"),
        # separators within cells split nothing
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
        # years are headers above other values
        ("Country,2019,2020\nIran,34.8,30.6\n", "Country: Iran | 2019: 34.8 | 2020: 30.6"),
        ("Ada,1815,1852\nBo,1914,1999\n", "Ada | 1815 | 1852\n\nBo | 1914 | 1999"),
        ("2019,2020\n1,2\n", "2019 | 2020\n\n1 | 2"),
    ],
)
def test_rows(source: str, text: str) -> None:
    assert parse(source).text == text


def test_rows_are_named_by_their_number_and_may_have_titles_above() -> None:
    assert headings(parse("Ada,1815\nBo,1912")) == ["row 1", "row 2"]
    assert headings(parse(f"Name,Story\nAda,{LONG}\n")) == ["row 2"]
    parsed = parse("Stock of May,,\n,,\nItem,Shelf,Price\nGrinder,B4,79\n")
    assert parsed.text == "Stock of May\n\nItem: Grinder | Shelf: B4 | Price: 79"
    assert headings(parsed) == ["Stock of May", "Stock of May > row 4"]


def book() -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = "Catch"
    for row in (
        ["Port", "Tons", "Day"],
        ["Muscat", 12.0, date(2024, 3, 5)],
        ["Sur", 2.5, datetime(2024, 3, 5, 10, 30)],
        [None, True],
    ):
        sheet.append(row)
    workbook.create_sheet("Empty")
    workbook.create_sheet("Hidden").append(["secret"])
    workbook["Hidden"].sheet_state = "hidden"
    workbook.properties.title, workbook.properties.creator = "Fish", "Ada"
    workbook.properties.created = datetime(2024, 5, 1)
    return saved_bytes(workbook)


def tickets(*titles: str) -> bytes:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for row in (
        *([title] for title in titles),
        [],
        ["Kind", "Adults", "Groups"],
        ["Day ticket", 12.5, 95],
        ["Evening ticket (last two hours)", 3.9, 30],
        ["Guided tour of 3 hours", 5, 40],
    ):
        sheet.append(row)
    return saved_bytes(workbook)


@pytest.mark.parametrize(
    ("titles", "name", "unit", "scale"),
    [
        (["Museum tickets (in EUR thousands)"], "Museum tickets", "EUR", 1000),
        (["Museum tickets", "(in £)"], "Museum tickets", "GBP", 1),
        (["Museum tickets (in pounds)"], "Museum tickets", "GBP", 1),
        (["Big fish of the lake (in pounds)"], "Big fish of the lake", "", 1),
        (["Museum tickets in US dollars", "From May on"], "From May on", "USD", 1),
        (["Museum tickets", "All prices may change without notice."], "Museum tickets", "", 1),
    ],
)
def test_the_texts_above_a_table_are_its_name_and_unit(
    titles: list[str], name: str, unit: str, scale: int
) -> None:
    (document,) = load_bytes("tickets.xlsx", tickets(*titles))
    (table,) = tables(document)
    assert table.name == name
    captions = [block for block in document.blocks if block.kind == "caption"]
    assert [document.text[block.start : block.end] for block in captions] == titles
    facts = [fact for row in table.rows for fact in row.facts]
    assert len(facts) == 6
    assert {(fact.unit, fact.scale) for fact in facts} == {(unit, scale)}


def test_a_second_table_of_a_sheet_has_its_own_title() -> None:
    rows = ["Stock of May", "", "Item,Shelf,Price", "Grinder,B4,79", "Mill,B5,81", ""]
    rows += ["Stock of June", "Item,Shelf,Price", "Grinder,B4,80", "Mill,B5,82"]
    source = "\n".join(rows)
    parsed = parse(source)
    assert headings(parsed)[::3] == ["Stock of May", "Stock of June"]


def test_a_workbook() -> None:
    (document,) = load_bytes("fish.xlsx", book())
    muscat, sur = "Port: Muscat | Tons: 12 | Day: 2024-03-05", "Port: Sur | Tons: 2.5 | Day: "
    rows = [muscat, f"{sur}2024-03-05 10:30", "Tons: True"]
    assert document.text == "\n\n".join(["Catch", *rows, "Empty"])
    paths = ["Catch", *(f"Catch > row {n}" for n in (2, 3, 4)), "Empty"]
    assert headings(document) == paths
    metadata = document.metadata
    assert (document.title, metadata["author"], metadata["date"]) == ("Fish", "Ada", "2024-05-01")
