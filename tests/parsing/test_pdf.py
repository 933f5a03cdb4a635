"""The text of PDFs in reading order, their headings, pages and metadata."""

import re
import sys

import pytest

import rag.parsing
from rag.errors import InputError
from rag.parsing.pdf import parse
from tests.parsing.pdfs import Put, column, pdf, typewritten
from tests.parsing.reading import load_bytes, places

LINES = ["Sardines swim near the coast of Oman in shoals and", "go on in the second line."]


@pytest.mark.parametrize("sides", [{"left": 50, "right": 320}, {"a": 40, "b": 220, "c": 400}])
def test_columns_are_read_one_after_the_other(sides: dict[str, int]) -> None:
    columns = [
        [*(f"{side} line number {n} of this page" for n in range(8)), "and ends."] for side in sides
    ]
    title, note = "A title across the columns of this page", "1 A note below all columns, " * 4
    rows = zip(*map(column, columns, sides.values()), strict=True)
    page = [Put(50, 760, title, 20), *(put for row in rows for put in row), Put(50, 500, note)]
    texts = [title, *map(" ".join, columns), note.strip()]
    assert parse(pdf([page])).text == "\n\n".join(texts)


def test_a_table_is_read_by_rows() -> None:
    rows = [f"Port {n}            {n} tons          yes" for n in range(5)]
    text = parse(pdf([typewritten("\n".join(rows))])).text
    assert text.split("\n") == [f"Port {n} | {n} tons | yes" for n in range(5)]


def test_a_marker_far_from_its_item_is_no_cell() -> None:
    page = typewritten("""
1.      Division of Hepatitis, National Centre for the Prevention of
^        Tuberculosis.
2.      World Health Organization. Global strategy.
""")
    text = parse(pdf([page])).text
    assert text.startswith("1. Division of Hepatitis, National Centre for the Prevention of Tub")
    assert text.endswith("\n\n2. World Health Organization. Global strategy.")


def test_broken_words_are_joined_and_hyphens_kept() -> None:
    lines = ["The agree-", "ment of a well-known nego-", "tiator was signed, as every well-"]
    text = "The agreement of a well-known negotiator was signed, as every well-known one is, since"
    assert parse(pdf([column([*lines, "known one is, since 10-", "20."], 50)])).text == (
        f"{text} 10- 20."
    )


def test_a_sentence_continues_on_the_next_page() -> None:
    page_end, page_start = (
        "The deal was signed in Vienna by the repre-",
        "sentatives of seven. It held.",
    )
    parsed = parse(pdf([column([page_end], 50), [], column([page_start], 50)]))
    assert parsed.text == "The deal was signed in Vienna by the representatives of seven. It held."
    assert parsed.pages == (0, parsed.text.index("of seven"), parsed.text.index("of seven"))
    ends = parse(pdf([column(["It ends here."], 50), [], column(["another begins"], 50)]))
    assert ends.text == "It ends here.\n\nanother begins"
    assert ends.pages == (0, 15, 15)


def test_larger_or_bolder_type_is_a_heading() -> None:
    body = [f"Sardines swim near the coast of Oman in shoals number {n}." for n in range(6)]
    page = [Put(50, 780, "The sea", 22), Put(50, 740, "Fish", 16), *column(body, 50, 710)]
    page += [Put(50, 600, "Sardines", 10, True), *column(body, 50, 580)]
    page += [Put(50, 480, "Plants", 16), *column(body, 50, 450)]
    paths = ["The sea", "The sea > Fish", "The sea > Fish > Sardines", "The sea > Plants"]
    assert places(parse(pdf([page]))) == [(path.split(" > ")[-1], path) for path in paths]


@pytest.mark.parametrize("turn", ["0 1 -1 0", "0 -1 1 0"])
def test_a_rotated_page_is_read_as_displayed(turn: str) -> None:
    lines = [*LINES[:1], "go on in the second line, and in the", "third. It ends."]
    # read downwards, lines proceed to the left
    content = pdf([column(lines if turn == "0 1 -1 0" else lines[::-1], 50)])
    xs = iter(range(100, 500, 14))  # each line is drawn next to the one before
    turned = re.sub(rb"50 [0-9.]+ Td", lambda _: f"{turn} {next(xs)} 400 Tm".encode(), content)
    assert parse(turned).text == " ".join(lines)


def test_a_stamp_in_the_margin_comes_last() -> None:
    content = pdf([[Put(20, 400, "Stamped by the library"), *column(LINES, 50)]])
    text = parse(content.replace(b"20 400 Td", b"0 1 -1 0 20 400 Tm")).text
    assert text == f"{' '.join(LINES)}\n\nStamped by the library"


def test_metadata_and_its_absence() -> None:
    page = [[Put(50, 780, "The real title", 20), *column(LINES * 3, 50)]]
    content = pdf(page, Title="Fish", Author="Ada Bell", CreationDate="D:20240305120000Z")
    (document,) = load_bytes("a.pdf", content)
    assert document.title == "Fish"
    dated = {"date": "2024-03-05", "year": "2024"}
    assert document.metadata == {"author": "Ada Bell", "language": "en", "type": "pdf"} | dated
    assert document.page(document.text.index("Sardines")) == 1


@pytest.mark.parametrize(
    "title",
    [
        "Microsoft Word - x.doc",
        "about:blank",
        "Untitled",
        "untitled document",
        "tmpk3x_9ab1.html",
        "tmpk3x_9ab1",
        "file:///tmp/print/3.html",
        "localhost:8000/report",
        "https://example.org/report?page=2",
        "blob:https://example.org/3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    ],
)
def test_a_title_that_a_program_wrote_is_none(title: str) -> None:
    page = [[Put(50, 780, "The real title", 20), *column(LINES * 3, 50)]]
    (document,) = load_bytes("a.pdf", pdf(page, Title=title))
    assert document.title == "The real title"
    (document,) = load_bytes("minutes.pdf", pdf([column(LINES, 50)], Title=title))
    assert document.title == "minutes"


@pytest.mark.parametrize(
    "title", ["About us", "TMP", "Data: 2020 in figures", "File", "No. 7: oil"]
)
def test_a_title_that_a_person_wrote_is_kept(title: str) -> None:
    (document,) = load_bytes("a.pdf", pdf([column(LINES, 50)], Title=title))
    assert document.title == title


def test_characters_of_every_kind() -> None:
    text = "Caf\u00e9 (5 \u20ac) \u2013 \u201cfine\u201d \\ done"
    encoded = b"/Encoding /WinAnsiEncoding /BaseFont"
    assert parse(pdf([[Put(50, 700, text)]]).replace(b"/BaseFont", encoded)).text == text


@pytest.mark.parametrize("content", [b"%PDF-1.4 nothing", b"", pdf([[Put(0, 0, "x")]])[:200]])
def test_other_files_are_not_pdfs(content: bytes) -> None:
    with pytest.raises(InputError, match="not a readable PDF"):
        load_bytes("a.pdf", content)


def test_without_ocr_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "rag.parsing.ocr", raising=False)
    monkeypatch.delattr(rag.parsing, "ocr", raising=False)
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    for name, content in (("a.pdf", pdf([[]])), ("a.png", b"\x89PNG")):
        with pytest.raises(InputError, match=r"pip install .*ocr"):
            load_bytes(name, content)


def test_fonts_with_tall_boxes_do_not_merge_lines() -> None:
    lines = ["People with the illness have a loss of", "function below the level of it, and"]
    lines += ["ask."]
    tall = b"/FontDescriptor << /Type /FontDescriptor /FontName /Helvetica /Flags 32 /StemV 80 "
    tall += b"/ItalicAngle 0 /CapHeight 700 /FontBBox [0 -2000 1000 4000] /Ascent 4000 "
    font, tall = b"/BaseFont /Helvetica ", tall + b"/Descent -2000 >> "
    content = pdf([column(lines, 40)]).replace(font, font + tall)
    assert parse(content).text == " ".join(lines)


def test_words_separated_by_a_gap_are_two() -> None:
    content = pdf([column(["harmful-legacy of the coast"], 40)])
    content = content.replace(b"(harmful-legacy of", b"[(harmful) -190 (legacy of")
    content = content.replace(b"coast) Tj", b"coast)] TJ")
    assert parse(content).text == "harmful legacy of the coast"
