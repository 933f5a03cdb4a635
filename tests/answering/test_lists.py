from rag.answering.lists import list_at, rows_at
from tests.fakes import document as plain
from tests.parsing.reading import load_bytes

STEPS = """Setting up

Do this in order:

1. Unpack the printer.
2. Plug it in:
   - first the cable,
   - then the power.
3. Print a page.

Then you are done."""


def items(text: str, quote: str) -> list[str]:
    start = text.index(quote)
    return [text[a:b] for a, b in list_at(plain(text), start, start + len(quote))]


def test_a_list_is_complete_with_numbers_and_continuations() -> None:
    wanted = [
        "1. Unpack the printer.",
        "2. Plug it in:\n   - first the cable,\n   - then the power.",
        "3. Print a page.",
    ]
    assert items(STEPS, "Unpack") == wanted
    assert items(STEPS, "Print a page") == wanted


def test_a_sentence_that_ends_with_a_colon_introduces_its_list() -> None:
    assert len(items(STEPS, "Do this in order:")) == 3


def test_a_place_in_an_inner_list_gives_the_inner_list() -> None:
    assert items(STEPS, "first the cable") == ["- first the cable,", "- then the power."]


def test_text_around_a_list_is_not_part_of_it() -> None:
    assert items(STEPS, "Then you are done.") == []
    assert items("- only one", "only") == []
    assert items("Plain text. More of it.", "More") == []


def test_wrapped_and_separated_items_are_one_list() -> None:
    text = (
        "You need\n\n* a passport that is\n  still valid,\n\n* two photos\nof the same "
        "size,\n\n* the form.\n\nBring all."
    )
    assert items(text, "two photos") == [
        "* a passport that is\n  still valid,",
        "* two photos\nof the same size,",
        "* the form.",
    ]


def test_bullets_and_numbers_side_by_side_are_two_lists() -> None:
    text = "- a b\n- c d\n1. e f\n2. g h"
    assert items(text, "c d") == ["- a b", "- c d"]
    assert items(text, "g h") == ["1. e f", "2. g h"]


def test_the_rows_of_a_table_are_those_with_named_cells() -> None:
    (document,) = load_bytes("a.csv", b"Item,Price\nOil,7\nTar,9\n,3\nWax,4\n")
    start = document.text.index("Tar")
    assert [document.text[a:b] for a, b in rows_at(document, start)] == [
        "Item: Oil | Price: 7",
        "Item: Tar | Price: 9",
    ]
    assert rows_at(document, document.text.index("Price: 3")) == []
    assert rows_at(plain("Item: Oil | Price: 7\nItem: Tar | Price: 9"), 3) == []
