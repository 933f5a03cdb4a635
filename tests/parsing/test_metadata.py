import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.parsing.metadata import iso, year


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2015", "2015"),
        ("2015-07", "2015-07"),
        (" 2015-07-14 ", "2015-07-14"),
        ("2015-07-14T10:00:00+02:00", "2015-07-14"),
        ("2015-13-01", ""),
        ("14 July 2015", "2015-07-14"),
        ("July 14, 2015", "2015-07-14"),
        ("1st Jan 2020", ""),
        ("July 2015", "2015-07"),
        ("31 February 2015", ""),
        ("14 Juillet 2015", ""),
        ("D:20150714100000+02'00'", "2015-07-14"),
        ("Fri, 13 Feb 2026 10:00:00 +0000", "2026-02-13"),
        ("03/04/2024", ""),
        ("soon", ""),
        ("", ""),
    ],
)
def test_dates(text: str, date: str) -> None:
    assert iso(text) == date


@pytest.mark.parametrize(
    ("text", "found"),
    [("14 July 2015", "2015"), ("Spring 2024", "2024"), ("2019 to 2021", ""), ("x", "")],
)
def test_years(text: str, found: str) -> None:
    assert year(text) == found


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert iso(text) == "" or iso(iso(text)) == iso(text)
