from __future__ import annotations

import re
import sys

import pytest

import rag.parsing
from rag.errors import InputError
from rag.parsing.base import Part, of_pages
from rag.parsing.load import load_bytes
from rag.parsing.pdf import parse
from rag.structure import sections
from tests.parsing.pdfs import Put, column, pdf, typed

LEFT = [
    *(f"left line number {n} of the first column goes on" for n in range(8)),
    "and here it ends.",
]
RIGHT = [*(f"right line number {n} of the second column goes" for n in range(8)), "and that ends."]


def test_two_columns_are_read_one_after_the_other() -> None:
    title = "A title across both of the columns of this page"
    rows = zip(column(LEFT, 50), column(RIGHT, 320), strict=True)
    page = [Put(50, 760, title, 20), *(put for row in rows for put in row)]
    assert parse(pdf([page])).text == "\n\n".join([title, " ".join(LEFT), " ".join(RIGHT)])


def test_a_table_is_read_by_rows() -> None:
    rows = [f"Port {n}            {n} tons          yes" for n in range(5)]
    text = parse(pdf([typed("\n".join(rows))])).text
    assert text.split("\n") == [f"Port {n} | {n} tons | yes" for n in range(5)]


def test_a_marker_far_from_its_item_is_no_cell() -> None:
    page = typed("""
1.      Division of Hepatitis, National Centre for the Prevention of
^        Tuberculosis.
2.      World Health Organization. Global strategy.
""")
    text = parse(pdf([page])).text
    assert text.startswith("1. Division of Hepatitis, National Centre for the Prevention of Tub")
    assert text.endswith("\n\n2. World Health Organization. Global strategy.")


def test_broken_words_are_joined_and_hyphens_kept() -> None:
    lines = [
        "The agree-", "ment of a well-known nego-", "tiator was signed, as every well-",
        "known one is, since 10-", "20.",
    ]  # fmt: skip
    assert parse(pdf([column(lines, 50)])).text == (
        "The agreement of a well-known negotiator was signed, as every well-known one is, "
        "since 10- 20."
    )


def test_a_sentence_continues_on_the_next_page() -> None:
    first, second = "The deal was signed in Vienna by the repre-", "sentatives of seven. It held."
    parsed = parse(pdf([column([first], 50), column([second], 50)]))
    assert parsed.text == "The deal was signed in Vienna by the representatives of seven. It held."
    assert parsed.pages == (0, parsed.text.index("of seven"))
    ends = parse(pdf([column(["It ends here."], 50), [], column(["another begins"], 50)]))
    assert ends.text == "It ends here.\n\nanother begins"
    assert ends.pages == (0, 15, 15)


def test_an_empty_page_starts_with_the_next_text() -> None:
    blocks = [[Part("It was signed on the")], [], [Part("first of May.")], [Part("The end.")]]
    found = of_pages(
        blocks, {}, lambda first, second: f"{first} {second}" if second[0].islower() else None
    )
    start = found.text.index("first")
    assert found.pages == (0, start, start, found.text.index("The end"))


def test_larger_or_bolder_type_is_a_heading() -> None:
    body = [f"Sardines swim near the coast of Oman in shoals number {n}." for n in range(6)]
    page = [
        Put(50, 780, "The sea", 22),
        Put(50, 740, "Fish", 16),
        *column(body, 50, 710),
        Put(50, 600, "Sardines", 10, True),
    ]
    page += [*column(body, 50, 580), Put(50, 480, "Plants", 16), *column(body, 50, 450)]
    parsed = parse(pdf([page]))
    assert [section.heading for section in sections(parsed.blocks)] == [
        *("The sea", "The sea > Fish", "The sea > Fish > Sardines", "The sea > Plants")
    ]
    starts = [section.start for section in sections(parsed.blocks)]
    assert [parsed.text[at:].split("\n")[0] for at in starts] == [
        *("The sea", "Fish", "Sardines", "Plants")
    ]


def turned(content: bytes, turn: str) -> bytes:
    """A page with rotated text; each line is drawn next to the previous one."""
    places = iter(range(100, 500, 14))
    return re.sub(rb"50 [0-9.]+ Td", lambda _: f"{turn} {next(places)} 400 Tm".encode(), content)


@pytest.mark.parametrize("turn", ["0 1 -1 0", "0 -1 1 0"])
def test_a_rotated_page_is_read_as_displayed(turn: str) -> None:
    lines = [
        "Sardines swim near the coast of Oman in shoals and",
        "go on in the second line, and in the",
        "third. It ends.",
    ]
    if turn != "0 1 -1 0":  # reading downwards, lines proceed to the left
        lines.reverse()
    assert parse(turned(pdf([column(lines, 50)]), turn)).text == (
        "Sardines swim near the coast of Oman in shoals and go on in the second line, and in the "
        "third. It ends."
    )


def test_a_stamp_in_the_margin_comes_last() -> None:
    lines = ["Sardines swim near the coast of Oman in shoals and", "go on in the second line."]
    content = pdf([[Put(20, 400, "Stamped by the library"), *column(lines, 50)]])
    assert parse(content.replace(b"20 400 Td", b"0 1 -1 0 20 400 Tm")).text == (
        "Sardines swim near the coast of Oman in shoals and go on in the second line.\n\nStamped "
        "by the library"
    )


def test_metadata_and_its_absence() -> None:
    lines = column(["Sardines swim near the coast and do not stop."] * 3, 50)
    page = [[Put(50, 780, "The real title", 20), *lines]]
    (document,) = load_bytes(
        "a.pdf", pdf(page, Title="Fish", Author="Ada Bell", CreationDate="D:20240305120000Z")
    )
    assert document.title == "Fish"
    assert document.metadata == {
        "author": "Ada Bell",
        "date": "2024-03-05",
        "year": "2024",
        "language": "en",
        "type": "pdf",
    }
    assert (
        load_bytes("a.pdf", pdf(page, Title="Microsoft Word - x.doc"))[0].title == "The real title"
    )
    assert document.page(document.text.index("Sardines")) == 1


def test_characters_of_every_kind() -> None:
    text = "Caf\u00e9 (5 \u20ac) \u2013 \u201cfine\u201d \\ done"
    content = pdf([[Put(50, 700, text)]]).replace(
        b"/BaseFont", b"/Encoding /WinAnsiEncoding /BaseFont"
    )
    assert parse(content).text == text


@pytest.mark.parametrize(
    "content", [b"%PDF-1.4 nothing", b"", b"%PDF-", pdf([[Put(0, 0, "x")]])[:200]]
)
def test_other_files_are_not_pdfs(content: bytes) -> None:
    with pytest.raises(InputError, match="not a readable PDF"):
        load_bytes("a.pdf", content)


def test_without_ocr_the_install_command_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("ocr", "image"):
        monkeypatch.delitem(sys.modules, f"rag.parsing.{name}", raising=False)
        monkeypatch.delattr(rag.parsing, name, raising=False)
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    for name, content in (("a.pdf", pdf([[]])), ("a.png", b"\x89PNG")):
        with pytest.raises(InputError, match=r"pip install .*ocr"):
            load_bytes(name, content)


def test_fonts_with_tall_boxes_do_not_merge_lines() -> None:
    lines = [
        "People with the illness have a loss of",
        "function below the level of it, and",
        "ask.",
    ]
    plain = pdf([column(lines, 40)])
    tall = b"/FontDescriptor << /Type /FontDescriptor /FontName /Helvetica /Flags 32 /StemV 80 "
    tall += b"/ItalicAngle 0 /CapHeight 700 /FontBBox [0 -2000 1000 4000] /Ascent 4000 "
    tall += b"/Descent -2000 >> "
    font = b"/BaseFont /Helvetica "
    assert parse(plain.replace(font, font + tall)).text == " ".join(lines)


def test_words_separated_by_a_gap_are_two() -> None:
    plain = pdf([column(["harmful-legacy of the coast"], 40)])
    shown = plain.replace(b"(harmful-legacy of", b"[(harmful) -190 (legacy of").replace(
        b"coast) Tj", b"coast)] TJ"
    )
    assert parse(shown).text == "harmful legacy of the coast"
