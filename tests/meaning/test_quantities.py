import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.meaning.quantities import base, quantity


@pytest.mark.parametrize(
    ("text", "after", "kind", "number", "upper", "unit", "bound"),
    [
        ("11,000 kilograms", "", "quantity", 11000, None, "kilogram", ""),
        ("about 11 tonnes", "", "quantity", 11, None, "metric_ton", "about"),
        ("440.9 kg", "", "quantity", 440.9, None, "kilogram", ""),
        ("21 nautical miles", "", "quantity", 21, None, "nautical_mile", ""),
        ("two to three months", "", "duration", 2, 3, "month", ""),
        ("12-day", "", "duration", 12, None, "day", ""),
        ("twenty-five years", "", "duration", 25, None, "year", ""),
        ("3.67", " percent of it", "percentage", 3.67, None, "percent", ""),
        ("83.7%", "", "percentage", 83.7, None, "percent", ""),
        ("$50 billion", "", "money", 5e10, None, "USD", ""),
        ("US$1.3bn", "", "money", 1.3e9, None, "USD", ""),
        ("100 to 150 billion dollars", "", "money", 1e11, 1.5e11, "USD", ""),
        ("2.3 million euros", "", "money", 2.3e6, None, "EUR", ""),
        ("half a million people", "", "number", 5e5, None, "people", ""),
        ("20,000 centrifuges", "", "number", 20000, None, "centrifuge", ""),
        ("more than 11,000 kilograms", "", "quantity", 11000, None, "kilogram", "more than"),
        ("at least five permanent members", "", "number", 5, None, "permanent member", "at least"),
        ("no more than 5,060 centrifuges", "", "number", 5060, None, "centrifuge", "at most"),
        ("not exceeding 300 kg", "", "quantity", 300, None, "kilogram", "at most"),
        ("no less than 300 kg", "", "quantity", 300, None, "kilogram", "at least"),
        ("100 or more", "", "number", 100, None, None, "at least"),
        ("100+", "", "number", 100, None, None, "at least"),
        ("5 mg", " or less", "quantity", 5, None, "milligram", "at most"),
        (">5 mg", "", "quantity", 5, None, "milligram", "more than"),
        ("$1.5m", "", "money", 1.5e6, None, "USD", ""),
        ("£5–10m", "", "money", 5e6, 1e7, "GBP", ""),
        ("$3tn", "", "money", 3e12, None, "USD", ""),
        ("two and a half years", "", "duration", 2.5, None, "year", ""),
        ("a year and a half", "", "duration", 1.5, None, "year", ""),
        ("2½ years", "", "duration", 2.5, None, "year", ""),
        ("two and a half million", "", "number", 2.5e6, None, None, ""),
        ("-5 °C", "", "quantity", -5, None, "degree_Celsius", ""),
        ("minus 40 degrees", "", "quantity", -40, None, "degree", ""),
        ("two to three million people", "", "number", 2e6, 3e6, "people", ""),
        ("between 5 and 10 million", "", "number", 5e6, 1e7, None, ""),
        ("five or six hundred", "", "number", 500, 600, None, ""),
        ("12 cats", "", "number", 12, None, "cat", ""),
        ("400 units", "", "number", 400, None, "unit", ""),
        ("5 kilos", "", "quantity", 5, None, "kilogram", ""),
        ("5km", "", "quantity", 5, None, "kilometer", ""),
        ("11 metric tons", "", "quantity", 11, None, "metric_ton", ""),
        ("90 min", "", "duration", 90, None, "minute", ""),
        ("36 hrs", "", "duration", 36, None, "hour", ""),
        ("SEK 4.25", "", "money", 4.25, None, "SEK", ""),
        ("¥68,000", "", "money", 68000, None, "JPY", ""),
        ("41 million Swiss francs", "", "money", 4.1e7, None, "CHF", ""),
        ("Only 5", "", "number", 5, None, None, ""),
        ("5 percentage points", "", "percentage", 5, None, "percentage point", ""),
    ],
)
def test_numbers_with_what_they_count(
    text: str,
    after: str,
    kind: str,
    number: float,
    upper: float | None,
    unit: str | None,
    bound: str,
) -> None:
    found = quantity(text, after)
    assert found is not None
    assert (found.kind, found.number, found.upper, found.unit, found.bound) == (
        kind, number, upper, unit, bound,
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "161 votes to 59", "Vienna", "the third", "the 21st", "", "P5+1 and 3 and 4", "5G",
        "the 747s",
    ],
)  # fmt: skip
def test_several_numbers_or_none_are_not_a_quantity(text: str) -> None:
    assert quantity(text) is None


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("1,5 litres", ""),
        ("1.200.000 litres", ""),
        ("14.7.2015", ""),
        ("one third", ""),
        ("Two", " thirds of the members"),
        ("three quarters", ""),
        ("Hundreds", " of people fled"),
        ("a few hundred", ""),
        ("9 am", ""),
        ("44", " BC"),
        ("2015-14", ""),
        ("12 to 10 days", ""),
        ("5m people", ""),
        ("2.5m", " barrels"),
        ("E-500", ""),
        ("C 010", ""),
        ("Uferweg 9", ""),
        ("version 3.1", ""),
        ("€1 284,50", ""),
    ],
)
def test_ambiguous_numbers_are_not_read(text: str, after: str) -> None:
    assert quantity(text, after) is None


@pytest.mark.parametrize(
    ("text", "after", "per"),
    [
        ("60 miles per hour", "", "hour"),
        ("60 miles", " per hour", "hour"),
        ("$50 a year", "", "year"),
        ("60", "", ""),
    ],
)
def test_a_rate_has_its_unit(text: str, after: str, per: str) -> None:
    found = quantity(text, after)
    assert found is not None
    assert found.per == per


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("12 days", "P12D"),
        ("36 hours", "PT36H"),
        ("25 years", "P25Y"),
        ("two to three months", None),
    ],
)
def test_durations_in_iso(text: str, iso: str | None) -> None:
    found = quantity(text)
    assert found is not None
    assert found.iso == iso


@pytest.mark.parametrize(
    "text",
    [
        "9" * 400 + " kg",
        "5 m/0",
        "5 x/y/z",
        "5 a-b",
        "3 km/h",
        "5 °",
        "1 per",
        "0 billion",
        "7 degF",
        "2 %%",
    ],
)
def test_odd_units_and_endless_digits_do_no_harm(text: str) -> None:
    found = quantity(text)
    if found is not None:
        assert found.number < 1e18
        assert found.iso is None or found.iso.startswith("P")
        base(found.number, found.unit, found.kind)


@settings(deadline=None)
@given(st.text("0123456789,.$%-– /abkmst", max_size=30), st.text("kmabst/°- ", max_size=12))
def test_no_text_does_harm(text: str, after: str) -> None:
    found = quantity(text, after)
    if found is not None:
        base(found.number, found.unit, found.kind)


@settings(deadline=None)
@given(st.integers(1, 10**12))
def test_digits_with_and_without_commas_are_one_number(number: int) -> None:
    plain, grouped = quantity(f"{number} men"), quantity(f"{number:,} men")
    assert plain is not None
    assert grouped is not None
    assert plain.number == grouped.number == number


def test_units_of_one_dimension_compare() -> None:
    assert base(11, "metric_ton", "quantity") == base(11000, "kilogram", "quantity")
    assert base(2, "week", "duration") == base(14, "day", "duration")
    assert base(5, "kilogram", "quantity")[1] != base(5, "meter", "quantity")[1]
