from __future__ import annotations

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
    asked = periods(question)
    agreements = [asked.agreement(periods(name)) for name in COLUMNS]
    assert agreements.index(max(agreements)) == column
    assert agreements.count(max(agreements)) == 1


def test_amounts_are_not_years() -> None:
    assert periods("$2,024 or 2,023.5 or 2022-24 of 12023").years == frozenset()
    assert periods("in FY2024, and 2023.").years == {"2024", "2023"}


@pytest.mark.parametrize(
    ("texts", "years"),
    [
        ("FY24|Q2 FY'24|3Q24|Q3 \u201924|FY2024|FY 24 plan|Q3FY24", {"2024"}),
        ("FY24.5|Q3 24|2Q241|SAFY24|'24", set()),
        ("2023/24|FY23/24|FY 2023/2024|in 2023/24.", {"2023", "2024"}),
    ],
)
def test_short_years_and_those_over_two_calendar_years(texts: str, years: set[str]) -> None:
    assert [periods(text).years for text in texts.split("|")] == [years] * len(texts.split("|"))


def test_a_date_with_slashes_may_begin_with_the_day_or_the_month() -> None:
    assert periods("1/7/2023").days == {"2023-01-07", "2023-07-01"}
    assert periods("03/31/2023").days == {"2023-03-31"}
    assert periods("31/03/2023").days == {"2023-03-31"}
    assert periods("31/31/2023").days == frozenset()


def test_two_digits_are_of_the_nearer_century() -> None:
    assert periods("1Q84").years == {"1984"}


def test_without_periods_all_columns_agree_alike() -> None:
    asked = periods("What were net sales?")
    assert {asked.agreement(periods(name)) for name in COLUMNS} == {0}


@pytest.mark.parametrize(
    ("text", "quarter"),
    [
        ("acme_Q3_2022.pdf", "3"),
        ("3Q22", "3"),
        ("2022 q1", "1"),
        ("the fourth quarter", "4"),
        ("the 2nd quarter", "2"),
        *((text, "") for text in ("FAQ3", "Q12", "1QA", "quarter", "IQ1", "Q5")),
    ],
)
def test_quarters(text: str, quarter: str) -> None:
    assert periods(text).quarters == set(quarter)
    assert periods(text).months == {"3"} or not quarter


def test_periods_differ_if_one_kind_does() -> None:
    asked = periods("in the quarter ended April 1, 2023")
    assert asked.differ(periods("Three Months Ended July 1, 2023"))
    assert asked.differ(periods("Six Months Ended April 1, 2023"))
    assert not periods("in six months").differ(periods("Nine Months Ended April 1, 2023"))
    assert not asked.differ(periods("2023"))
    assert not asked.besides(periods("April 1, 2023")).days


@pytest.mark.parametrize(
    ("name", "years"),
    [
        ("2023-12-31", {"2023"}),
        ("31.12.2023", {"2023"}),
        ("12/31/23", {"2023"}),
        ("Dec-23", {"2023"}),
        ("2023-24", {"2023", "2024"}),
        ("FY2023-24", {"2023", "2024"}),
        ("22/23", {"2022", "2023"}),
        ("Profit after tax 2023", {"2023"}),
        ("Deck 12, 2023", {"2023"}),
        ("2019-2023", set()),
        ("after 31 March 2024", set()),
        ("Change vs 2022", set()),
    ],
)
def test_years_of_a_column(name: str, years: set[str]) -> None:
    assert of_column(name).years == years


def test_a_word_that_begins_like_a_month_is_none() -> None:
    assert not periods("Deck 12, 2023").days
    assert not periods("Windows 10/11").years
    assert not periods("Deck-23").years
