"""Forms in PDFs: labels in bold with their values beside them."""

from __future__ import annotations

import pytest

from rag.parsing.pdf import parse
from tests.parsing.pdfs import pdf, typewritten

AIRPORT = """
*Airport:*          Belen
*Elevation:*        5194 ft
*Runway:*           21
"""


@pytest.mark.parametrize(
    ("page", "rows"),
    [
        (
            AIRPORT.replace("Belen", "Belen             *Surface:*        Asphalt"),
            ["Airport: Belen | Surface: Asphalt", "Elevation: 5194 ft", "Runway: 21"],
        ),
        (
            AIRPORT + "*Owner:*            ABQ New Mexico\n^                    Tours",
            ["Runway: 21", "Owner: ABQ New Mexico Tours"],
        ),
        (
            AIRPORT + "*Certificates*      None\n^*Held:*",
            ["Runway: 21", "Certificates Held: None"],
        ),
        (
            AIRPORT + "*Seats:*                        *Rated Power:*    180 hp\n*Engines:*     1",
            ["Runway: 21", "Seats: | Rated Power: 180 hp", "Engines: 1"],
        ),
        (
            AIRPORT + " Length: 6601 ft\n^                    by 60 ft",
            ["Runway: 21", "Length: 6601 ft by 60 ft"],
        ),
        (
            "*Aim:*\nTo see who comes.\n\n*Methods:*\nWe ask: who comes?",
            ["Aim:", "", "To see who comes.", "", "Methods:", "", "We ask: who comes?"],
        ),
    ],
    ids=["pairs", "value of two lines", "label of two lines", "no value", "one line", "no form"],
)  # fmt: skip
def test_each_label_keeps_its_value(page: str, rows: list[str]) -> None:
    assert parse(pdf([typewritten(page)])).text.split("\n")[-len(rows) :] == rows
