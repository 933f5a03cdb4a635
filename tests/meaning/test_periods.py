import pytest

from rag.meaning.periods import of_column, periods

COLUMNS = (
    "Three Months Ended June 30, 2023",
    "Three Months Ended June 30, 2024",
    "Six Months Ended June 30, 2023",
    "Six Months Ended June 30, 2024",
)


@pytest.mark.parametrize(
    ("question", "column"),
    [
        ("What were net sales in Q2 2024?", 1),
        ("What were net sales in the second quarter of 2023?", 0),
        ("What were net sales in the six months ended June 30, 2024?", 3),
        ("How much was sold in the quarter ended 2023-06-30?", 0),
        ("What were sales in the 26 weeks to the end of June 2023?", 2),
    ],
)
def test_one_column_agrees_most(question: str, column: int) -> None:
    stated = periods(question)
    agreements = [stated.agreement(periods(name)) for name in COLUMNS]
    assert agreements.index(max(agreements)) == column
    assert agreements.count(max(agreements)) == 1


@pytest.mark.parametrize(
    ("texts", "years"),
    [
        ("FY24|Q2 FY'24|3Q24|Q3 \u201924|FY2024|FY 24 plan|Q3FY24", {"2024"}),
        ("FY24.5|Q3 24|2Q241|SAFY24|'24|$2,024 or 2,023.5|12023|Windows 10/11|Deck-23", set()),
        ("2023/24|FY23/24|FY 2023/2024|in 2023/24.|in FY2024, and 2023.", {"2023", "2024"}),
        ("1Q84", {"1984"}),
    ],
)
def test_years_in_full_in_short_and_over_two_calendar_years(texts: str, years: set[str]) -> None:
    years_of_texts = {text: periods(text).years for text in texts.split("|")}
    assert years_of_texts == dict.fromkeys(years_of_texts, years)


def test_a_date_with_slashes_may_begin_with_the_day_or_the_month() -> None:
    texts = "1/7/2023", "03/31/2023", "31/03/2023", "31/31/2023", "Deck 12, 2023"
    either = {"2023-01-07", "2023-07-01"}
    stated = [periods(text).days for text in texts]
    assert stated == [either, {"2023-03-31"}, {"2023-03-31"}, set(), set()]


def test_without_periods_all_columns_agree_alike() -> None:
    question = periods("What were net sales?")
    assert {question.agreement(periods(name)) for name in COLUMNS} == {0}


@pytest.mark.parametrize(
    ("texts", "quarters"),
    [
        ("acme_Q3_2022.pdf|3Q22|the third quarter|2022 q3|the 3rd quarter", {"3"}),
        ("FAQ3|Q12|1QA|quarter|IQ1|Q5", set()),
    ],
)
def test_quarters(texts: str, quarters: set[str]) -> None:
    for stated in map(periods, texts.split("|")):
        assert stated.quarters == quarters
        assert stated.months == {"3"} or not quarters


def test_periods_differ_if_one_kind_does() -> None:
    quarter = periods("in the quarter ended April 1, 2023")
    assert quarter.differ(periods("Three Months Ended July 1, 2023"))
    assert quarter.differ(periods("Six Months Ended April 1, 2023"))
    assert not periods("in six months").differ(periods("Nine Months Ended April 1, 2023"))
    assert not quarter.differ(periods("2023"))
    assert not quarter.besides(periods("April 1, 2023")).days


@pytest.mark.parametrize(
    ("names", "years"),
    [
        ("2023-12-31|31.12.2023|12/31/23|Dec-23|Profit after tax 2023|Deck 12, 2023", {"2023"}),
        ("2023-24|FY2023-24|23/24", {"2023", "2024"}),
        ("2019-2023|after 31 March 2024|Change vs 2022", set()),
    ],
)
def test_years_of_a_column(names: str, years: set[str]) -> None:
    years_of_names = {name: of_column(name).years for name in names.split("|")}
    assert years_of_names == dict.fromkeys(years_of_names, years)
