import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.meaning.quantities import base, quantity


@pytest.mark.parametrize(
    ("text", "kind", "number", "unit", "bound"),
    [
        ("about 11 tonnes", "quantity", 11, "metric_ton", "about"),
        ("440.9 kg", "quantity", 440.9, "kilogram", ""),
        ("21 nautical miles", "quantity", 21, "nautical_mile", ""),
        ("5 kilos", "quantity", 5, "kilogram", ""),
        ("5km", "quantity", 5, "kilometer", ""),
        ("11 metric tons", "quantity", 11, "metric_ton", ""),
        ("-5 °C", "quantity", -5, "degree_Celsius", ""),
        ("minus 40 degrees", "quantity", -40, "degree", ""),
        ("two to three months", "duration", (2, 3), "month", ""),
        ("12-day", "duration", 12, "day", ""),
        ("twenty-five years", "duration", 25, "year", ""),
        ("two and a half years", "duration", 2.5, "year", ""),
        ("a year and a half", "duration", 1.5, "year", ""),
        ("2½ years", "duration", 2.5, "year", ""),
        ("90 min", "duration", 90, "minute", ""),
        ("36 hrs", "duration", 36, "hour", ""),
        ("3.67| percent of it", "percentage", 3.67, "percent", ""),
        ("83.7%", "percentage", 83.7, "percent", ""),
        ("5 percentage points", "percentage", 5, "percentage point", ""),
        ("$50 billion", "money", 5e10, "USD", ""),
        ("US$1.3bn", "money", 1.3e9, "USD", ""),
        ("$1.5m", "money", 1.5e6, "USD", ""),
        ("£5–10m", "money", (5e6, 1e7), "GBP", ""),
        ("¥68,000", "money", 68000, "JPY", ""),
        ("SEK 4.25", "money", 4.25, "SEK", ""),
        ("100 to 150 billion dollars", "money", (1e11, 1.5e11), "USD", ""),
        ("2.3 million euros", "money", 2.3e6, "EUR", ""),
        ("41 million Swiss francs", "money", 4.1e7, "CHF", ""),
        ("half a million people", "number", 5e5, "people", ""),
        ("two and a half million", "number", 2.5e6, None, ""),
        ("two to three million people", "number", (2e6, 3e6), "people", ""),
        ("between 5 and 10 million", "number", (5e6, 1e7), None, ""),
        ("five or six hundred", "number", (500, 600), None, ""),
        ("12 cats", "number", 12, "cat", ""),
        ("Only 5", "number", 5, None, ""),
        ("more than 11,000 kilograms", "quantity", 11000, "kilogram", "more than"),
        (">5 mg", "quantity", 5, "milligram", "more than"),
        ("at least five permanent members", "number", 5, "permanent member", "at least"),
        ("no less than 300 kg", "quantity", 300, "kilogram", "at least"),
        ("100 or more", "number", 100, None, "at least"),
        ("100+", "number", 100, None, "at least"),
        ("no more than 5,060 centrifuges", "number", 5060, "centrifuge", "at most"),
        ("not exceeding 300 kg", "quantity", 300, "kilogram", "at most"),
        ("5 mg| or less", "quantity", 5, "milligram", "at most"),
    ],
)
def test_numbers_with_what_they_count(
    text: str, kind: str, number: float | tuple[float, float], unit: str | None, bound: str
) -> None:
    amount = quantity(*text.split("|"))
    assert amount is not None
    range_or_number = amount.number if amount.upper is None else (amount.number, amount.upper)
    assert (amount.kind, range_or_number, amount.unit, amount.bound) == (kind, number, unit, bound)


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


@settings(deadline=None)
@given(st.text("0123456789,.$%-– /abkmst°", max_size=30), st.text("kmabst/°- ", max_size=12))
@example("9" * 400 + " kg", "")
@example("3 km/h", "")
@example("5 x/y/z", "")
@example("0 billion", "")
@example("2 %%", "")
def test_no_text_does_harm(text: str, after: str) -> None:
    amount = quantity(text, after)
    if amount is not None:
        assert amount.number < 1e18
        assert amount.iso is None or amount.iso.startswith("P")
        base(amount.number, amount.unit, amount.kind)


@settings(deadline=None)
@given(st.integers(1, 10**12))
def test_digits_with_and_without_commas_are_one_number(number: int) -> None:
    assert quantity(f"{number} men") == quantity(f"{number:,} men")


def test_units_of_one_dimension_compare() -> None:
    assert base(11, "metric_ton", "quantity") == base(11000, "kilogram", "quantity")
    assert base(2, "week", "duration") == base(14, "day", "duration")
    assert base(5, "kilogram", "quantity")[1] != base(5, "meter", "quantity")[1]
