import pytest

from rag.structure import list_at, rows_at
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


NESTED = "2. Plug it in:\n   - first the cable,\n   - then the power."
WHOLE = ["1. Unpack the printer.", NESTED, "3. Print a page."]
APART = (
    "You need\n\n* a passport that is\n  still valid,\n\n* two photos\nof the same size,\n\n* the "
    "form.\n\nBring all."
)
BOTH = "- a b\n- c d\n1. e f\n2. g h"


@pytest.mark.parametrize(
    ("text", "quote", "items"),
    [
        *((STEPS, quote, WHOLE) for quote in ("Unpack", "Print a page", "Do this in order:")),
        (STEPS, "first the cable", ["- first the cable,", "- then the power."]),
        *((text, text[-9:], []) for text in (STEPS, "- only one", "Plain text. More of it.")),
        (APART, "two photos", APART[10:-12].split("\n\n")),
        (BOTH, "c d", ["- a b", "- c d"]),
        (BOTH, "g h", ["1. e f", "2. g h"]),
    ],
)
def test_the_innermost_list_at_a_place_is_complete(text: str, quote: str, items: list[str]) -> None:
    """Also from the sentence with a colon that introduces it, but not from other text around it."""
    start = text.index(quote)
    assert [text[a:b] for a, b in list_at(plain(text), start, start + len(quote))] == items


def test_the_rows_of_a_table_are_those_with_named_cells() -> None:
    (document,) = load_bytes("a.csv", b"Item,Price\nOil,7\nTar,9\n,3\nWax,4\n")
    start = document.text.index("Tar")
    rows = [document.text[a:b] for a, b in rows_at(document, start)]
    assert rows == ["Item: Oil | Price: 7", "Item: Tar | Price: 9"]
    assert rows_at(document, document.text.index("Price: 3")) == []
    assert rows_at(plain("Item: Oil | Price: 7\nItem: Tar | Price: 9"), 3) == []
