from ast import literal_eval

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rag.meaning.quantities import base, quantity


@pytest.mark.parametrize(
    ("kind", "unit", "bound", "texts"),
    [
        ("quantity", "metric_ton", "about", "about 11 tonnes = 11"),
        ("quantity", "kilogram", "", "440.9 kg = 440.9; 5 kilos = 5"),
        ("quantity", "nautical_mile", "", "21 nautical miles = 21"),
        ("quantity", "kilometer", "", "5km = 5"),
        ("quantity", "metric_ton", "", "11 metric tons = 11"),
        ("quantity", "degree_Celsius", "", "-5 °C = -5"),
        ("quantity", "degree", "", "minus 40 degrees = -40"),
        ("duration", "month", "", "two to three months = (2, 3)"),
        ("duration", "day", "", "12-day = 12"),
        ("duration", "year", "", "twenty-five years = 25; two and a half years = 2.5"),
        ("duration", "year", "", "a year and a half = 1.5; 2½ years = 2.5"),
        ("duration", "minute", "", "90 min = 90"),
        ("duration", "hour", "", "36 hrs = 36"),
        ("percentage", "percent", "", "3.67| percent of it = 3.67; 83.7% = 83.7"),
        ("percentage", "percentage point", "", "5 percentage points = 5"),
        ("money", "USD", "", "$50 billion = 5e10; US$1.3bn = 1.3e9; $1.5m = 1.5e6"),
        ("money", "USD", "", "100 to 150 billion dollars = (1e11, 1.5e11)"),
        ("money", "GBP", "", "£5–10m = (5e6, 1e7)"),
        ("money", "JPY", "", "¥68,000 = 68000"),
        ("money", "SEK", "", "SEK 4.25 = 4.25"),
        ("money", "EUR", "", "2.3 million euros = 2.3e6"),
        ("money", "CHF", "", "41 million Swiss francs = 4.1e7"),
        ("number", "people", "", "half a million people = 500000.0"),
        ("number", "people", "", "two to three million people = (2e6, 3e6)"),
        ("number", None, "", "two and a half million = 2.5e6"),
        ("number", None, "", "between 5 and 10 million = (5e6, 1e7)"),
        ("number", None, "", "five or six hundred = (500, 600); Only 5 = 5"),
        ("number", "cat", "", "12 cats = 12"),
        ("quantity", "kilogram", "more than", "more than 11,000 kilograms = 11000"),
        ("quantity", "milligram", "more than", ">5 mg = 5"),
        ("number", "permanent member", "at least", "at least five permanent members = 5"),
        ("quantity", "kilogram", "at least", "no less than 300 kg = 300"),
        ("number", None, "at least", "100 or more = 100; 100+ = 100"),
        ("number", "centrifuge", "at most", "no more than 5,060 centrifuges = 5060"),
        ("quantity", "kilogram", "at most", "not exceeding 300 kg = 300"),
        ("quantity", "milligram", "at most", "5 mg| or less = 5"),
    ],
)
def test_numbers_with_what_they_count(kind: str, unit: str | None, bound: str, texts: str) -> None:
    for text, number in (pair.split(" = ") for pair in texts.split("; ")):
        amount = quantity(*text.split("|"))
        assert amount is not None
        read = amount.number if amount.upper is None else (amount.number, amount.upper)
        assert (amount.kind, amount.unit, amount.bound) == (kind, unit, bound), text
        assert read == literal_eval(number), text


@pytest.mark.parametrize(
    "text",
    [
        "", "Vienna", "the third", "the 21st", "5G", "the 747s", "161 votes to 59",
        "P5+1 and 3 and 4", "12 to 10 days", "1,5 litres", "1.200.000 litres", "€1 284,50",
        "14.7.2015", "2015-14", "one third", "Two| thirds of the members", "three quarters",
        "Hundreds| of people fled", "a few hundred", "9 am", "44| BC", "5m people", "2.5m| barrels",
        "E-500", "C 010", "Uferweg 9", "version 3.1",
    ],
)  # fmt: skip
def test_several_ambiguous_or_no_numbers_are_not_a_quantity(text: str) -> None:
    assert quantity(*text.split("|")) is None


@pytest.mark.parametrize(
    ("text", "per", "iso"),
    [
        ("60 miles per hour", "hour", None),
        ("60 miles| per hour", "hour", None),
        ("$50 a year", "year", None),
        ("12 days", "", "P12D"),
        ("36 hours", "", "PT36H"),
        ("25 years", "", "P25Y"),
        ("two to three months", "", None),
    ],
)
def test_rates_and_durations_in_iso(text: str, per: str, iso: str | None) -> None:
    amount = quantity(*text.split("|"))
    assert amount is not None
    assert (amount.per, amount.iso) == (per, iso)


@given(st.text("0123456789,.$%-– /abkmst°", max_size=30), st.text("kmabst/°- ", max_size=12))
@example("9" * 400 + " kg", "")
@example("3 km/h", "")
@example("5 x/y/z", "")
@example("0 billion", "")
@example("2 %%", "")
def test_no_text_does_harm(text: str, text_after: str) -> None:
    amount = quantity(text, text_after)
    if amount is not None:
        assert amount.number < 1e18
        assert amount.iso is None or amount.iso.startswith("P")
        base(amount.number, amount.unit, amount.kind)


@given(st.integers(1, 10**12))
def test_digits_with_and_without_commas_are_one_number(number: int) -> None:
    assert quantity(f"{number} men") == quantity(f"{number:,} men")


def test_units_of_one_dimension_compare() -> None:
    assert base(11, "metric_ton", "quantity") == base(11000, "kilogram", "quantity")
    assert base(2, "week", "duration") == base(14, "day", "duration")
    assert base(5, "kilogram", "quantity")[1] != base(5, "meter", "quantity")[1]
