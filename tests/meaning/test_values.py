"""Typed values of cells: whole, with currency, unit, period and bound."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.meaning.values import Surroundings, typed_value
from rag.types import Value


def value_in_brackets(marked: str, kind: str, **table: str) -> Value:
    """The value of the words in [brackets], in their sentence."""
    text_before, _, from_words = marked.partition("[")
    words, _, text_after = from_words.partition("]")
    value = typed_value(words, kind, Surroundings(text_before, text_after, **table))
    assert value is not None
    return value


@pytest.mark.parametrize(
    ("marked", "number", "unit", "per", "bound"),
    [
        ("The rent is [€3,200] per month.", 3200, "EUR", "month", ""),
        ("The rent is [€3,200 per month].", 3200, "EUR", "month", ""),
        ("[€3,200] plus VAT per calendar month", 3200, "EUR", "month", ""),
        ("[£550 pcm]", 550, "GBP", "month", ""),
        ("[£12,000] p.a.", 12_000, "GBP", "year", ""),
        ("[$120,000] per annum", 120_000, "USD", "year", ""),
        ("[£900], payable on demand each month", 900, "GBP", "", ""),
        ("[£900] payable quarterly", 900, "GBP", "quarter", ""),
        ("A monthly rent of [£550]", 550, "GBP", "month", ""),
        ("Annual fee: [£1,200]", 1200, "GBP", "year", ""),
        ("about [$325]k/year", 325_000, "USD", "year", "about"),
        ("saved [$600]M over five years", 600e6, "USD", "", ""),
        ("worth [£5] million in all", 5e6, "GBP", "", ""),
        ("a fee of USD [$125]/hour", 125, "USD", "hour", ""),
        ("between the two, [$15k] USD/month", 15_000, "USD", "month", ""),
        ("[$19,325] ran a bit above the usual monthly figure", 19_325, "USD", "", ""),
        ("[$900] is paid monthly in advance", 900, "USD", "month", ""),
        ("The annual report costs [£5]", 5, "GBP", "", ""),
        ("charged at [£285 per hour]", 285, "GBP", "hour", ""),
        ("cover of at least [£5 million]", 5_000_000, "GBP", "", "at least"),
        ("cover of [not less than £5 million]", 5_000_000, "GBP", "", "at least"),
        ("up to £[2,000]", 2000, "GBP", "", "at most"),
        ("[about 20 tonnes]", 20, "metric_ton", "", "about"),
        ("a deposit of [six weeks' rent, or £750]", 750, "GBP", "", ""),
        ("The rent is [48 pounds] per year.", 48, "GBP", "year", ""),
        ("Deposit: [100 pounds]", 100, "GBP", "", ""),
        (
            "The parcel may weigh at most [48 pounds]; a fee is charged above.",
            48,
            "pound",
            "",
            "at most",
        ),
        ("Add [2 pounds] of flour.", 2, "pound", "", ""),
        ("The hose has a [1 1/4 inch] thread.", 1.25, "inch", "", ""),
        ("The hose has a [1 1/4] inch thread.", 1.25, "inch", "", ""),
        ("It takes [2 1/2 hours].", 2.5, "hour", "", ""),
        ("Members get [40.2 pence per litre].", 40.2, "pence", "liter", ""),
        ("We pay [42 pence a mile].", 42, "pence", "mile", ""),
        ("It costs [£3 per litre].", 3, "GBP", "liter", ""),
    ],
)
def test_an_amount_keeps_currency_period_and_bound(
    marked: str, number: float, unit: str, per: str, bound: str
) -> None:
    value = value_in_brackets(marked, "amount")
    assert (value.number, value.unit, value.per, value.bound) == (number, unit, per, bound)


def test_a_range_has_both_ends() -> None:
    for marked in ("[£5,000 to £10,000]", "they pay [a fine of £5,000 to £10,000 for 2 breaches]"):
        value = value_in_brackets(marked, "amount")
        assert (value.number, value.upper, value.unit) == (5000, 10_000, "GBP")


@pytest.mark.parametrize(
    ("words", "table", "number", "unit", "per"),
    [
        ("3,200", {"column": "Rent (£ per month)", "unit": "GBP"}, 3200, "GBP", "month"),
        ("3,200", {"label": "Monthly rent (EUR)", "unit": "EUR"}, 3200, "EUR", "month"),
        ("(74)", {"headings": "Income ($ millions)", "unit": "USD"}, -74e6, "USD", ""),
        ("1.2", {"column": "2024 £m", "unit": "GBP"}, 1.2e6, "GBP", ""),
        ("450", {"column": "2024 ($000)", "unit": "USD"}, 450e3, "USD", ""),
        ("450", {"column": "2024 (£'000)", "unit": "GBP"}, 450e3, "GBP", ""),
        ("450", {"label": "Number of shares", "unit": "GBP"}, 450, None, ""),
        ("15", {"column": "Discount (%)", "unit": "percent"}, 15, "percent", ""),
        ("38", {"column": "Price in pence", "unit": "penny"}, 38, "pence", ""),
        ("30", {"column": "Weight (kg)"}, 30, "kilogram", ""),
        ("30", {"column": "Distance in km"}, 30, "kilometer", ""),
        ("90", {"column": "Valid (days)"}, 90, "day", ""),
        ("30", {"label": "Maximum load (tonnes)"}, 30, "metric_ton", ""),
        ("30", {"column": "Weight", "headings": "Parcels, weights in kg"}, 30, "kilogram", ""),
        ("30", {"column": "Width", "headings": "All measurements are in mm"}, 30, "millimeter", ""),
        ("30", {"column": "Weight", "headings": "Prices in EUR"}, 30, None, ""),
        ("30", {"column": "Doors", "headings": "Weights in kg"}, 30, None, ""),
        ("30 cm", {"column": "Length (inches)"}, 30, "centimeter", ""),
        ("30", {"column": "Number of bags (kg)"}, 30, None, ""),
        ("30", {"column": "Team (A)"}, 30, None, ""),
        ("30", {"column": "Order (min)"}, 30, None, ""),
        ("30", {"column": "Sales (month)"}, 30, None, ""),
        ("48", {"column": "Fee (pounds)"}, 48, "GBP", ""),
        ("48", {"column": "Weight (pounds)"}, 48, "pound", ""),
    ],
)
def test_a_figure_has_what_its_table_says(
    words: str, table: dict[str, str], number: float, unit: str | None, per: str
) -> None:
    value = value_in_brackets(f"[{words}]", "amount", **{"label": "Oak House", **table})
    assert (value.number, value.unit, value.per) == (number, unit, per)


@pytest.mark.parametrize(
    ("marked", "number", "unit"),
    [
        ("Annual fee (GBP): [12]", 12, "GBP"),
        ("Deposit in pounds: [25]", 25, "GBP"),
        ("Fee (in US dollars) = [25]", 25, "USD"),
        ("Discount (%): [15]", 15, "percent"),
        ("Parcel weight (kg): [2.5]", 2.5, "kilogram"),
        ("Rules in force: [25]", 25, None),
        ("Members (2024): [25]", 25, None),
        ("Fee (GBP): [€12]", 12, "EUR"),
        ("Revenue (£ millions): [12]", 12, None),
    ],
)
def test_a_figure_has_the_unit_of_its_label(marked: str, number: float, unit: str | None) -> None:
    value = value_in_brackets(marked, "amount")
    assert (value.number, value.unit) == (number, unit)


@pytest.mark.parametrize(
    ("marked", "headings", "unit"),
    [
        ("- Rent: [450]", "Club > Fees All amounts are in EUR.", "EUR"),
        ("- Deposit: [450]", "Prices and fees (all amounts in US dollars)", "USD"),
        ("- Deposit: [450]", "All figures in pounds", "GBP"),
        ("- Small parcel, weight: [450]", "Weights are given in grams:", "gram"),
        ("- Members: [450]", "All amounts are in EUR.", None),
        ("- Number of payments: [450]", "All amounts are in EUR.", None),
        ("- Rent: [450]", "Everything is explained in detail.", None),
        ("The rent was [450]", "All amounts are in EUR.", None),
        ("- Rent: [$450]", "All amounts are in EUR.", "USD"),
    ],
)
def test_a_labelled_figure_of_a_list_has_the_unit_of_its_introduction(
    marked: str, headings: str, unit: str | None
) -> None:
    value = value_in_brackets(marked, "amount", headings=headings)
    assert (value.number, value.unit) == (450, unit)


@pytest.mark.parametrize(
    ("marked", "iso", "precision", "bound"),
    [
        ("on [31 May\n2027]", "2027-05-31", "day", ""),
        ("on [31 May], 2027 at noon", "2027-05-31", "day", ""),
        ("[8 August], about 1753 hours local", "--08-08", "day", ""),
        ("no later than [31 May 2027]", "2027-05-31", "day", "no later than"),
        ("[1 May 2020 to 30 April 2025]", "2020-05-01/2025-04-30", "day", ""),
        ("in [May 2027]", "2027-05", "month", ""),
        ("[2000 metres away, in 2015]", "2015", "year", ""),
        ("on [1/7/2023]", None, "day", ""),
        ("in the [week of 23 September 2024]", "2024-09-23/2024-09-29", "week", ""),
        ("in the week of [23 September 2024].", "2024-09-23/2024-09-29", "week", ""),
        ("the week of [Wednesday, 25 September 2024]", "2024-09-23/2024-09-29", "week", ""),
        ("the week ending [9 June 2024]", "2024-06-03/2024-06-09", "week", ""),
        ("the [week of 23 September]", None, "week", ""),
        ("for weeks, [23 September 2024]", "2024-09-23", "day", ""),
    ],
)
def test_a_date_is_whole(marked: str, iso: str | None, precision: str, bound: str) -> None:
    value = value_in_brackets(marked, "date")
    assert (value.iso, value.precision, value.bound) == (iso, precision, bound)


@pytest.mark.parametrize("words", ["about 1753 hours", "Vienna", "2000 metres", "the 1990s", ""])
def test_words_without_a_date_have_none(words: str) -> None:
    assert typed_value(words, "date") is None


@given(st.dates(dt.date(1000, 1, 1), dt.date(2099, 12, 31)), st.sampled_from(["\n", " ", "\n  "]))
def test_every_day_is_read_however_its_line_ends(day: dt.date, gap: str) -> None:
    value = typed_value(f"{day.day}{gap}{day:%B}{gap}{day.year:04}", "date")
    assert value is not None
    assert value.iso == day.isoformat()


@given(
    st.decimals(1, 10**9, places=2),
    st.sampled_from([("£", "GBP"), ("€", "EUR"), ("US$", "USD"), ("CHF ", "CHF")]),
    st.sampled_from(["month", "year", "hour", "week", "quarter"]),
    st.sampled_from([("", ""), ("at least ", "at least"), ("up to ", "at most")]),
)
def test_no_part_of_an_amount_is_lost(
    number: object, sign: tuple[str, str], per: str, bound: tuple[str, str]
) -> None:
    for wording in ("pay {}[{}] per {}.", "pay [{}{} per {}]."):
        value = value_in_brackets(wording.format(bound[0], f"{sign[0]}{number:,}", per), "amount")
        assert (value.number, value.unit) == (float(str(number)), sign[1])
        assert (value.per, value.bound) == (per, bound[1])


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=80))
def test_any_text_has_a_value_or_none(text_before: str, words: str, text_after: str) -> None:
    for kind in ("date", "amount", "number", "yes_no", "text", "list"):
        for label in (None, "Rent"):
            typed_value(
                words, kind, Surroundings(text_before, text_after, label, "£m", "in millions")
            )
