import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.meaning.compare import Relation, compare
from rag.meaning.dates import (
    dates,
    days,
    iso_date,
    named_days,
    only_date,
    only_year,
    share_day,
    times,
)

DAYS = st.dates(dt.date(1000, 1, 1), dt.date(2099, 12, 31))


@pytest.mark.parametrize(
    ("iso", "precision", "texts"),
    [
        ("2015-07-14", "day", "14 July 2015|on July 14, 2015|the 14th of July, 2015|2015-07-14"),
        ("2024-04-05", "day", "05.04.2024|5. 4. 2024|Friday, 5 April 2024"),
        ("2024-02-29", "day", "29 February 2024"),
        ("--07-14", "day", "14 July"),
        ("2001-09", "month", "September 2001|Sept. 2001|2001-09"),
        ("2015", "year", "in 2015"),
        ("199X", "decade", "the 1990s"),
        ("2015-07-14/2015-07-16", "day", "14–16 July 2015|July 14–16, 2015|14 and 16 July 2015"),
        ("--05-01/--05-03", "day", "1st to the 3rd of May"),
        ("2020-05-03/2020-07-05", "day", "from 3 May to 5 July 2020"),
        ("2019-11/2020-02", "month", "between November and February 2020"),
        ("2003/2005", "year", "from 2003 to 2005"),
        ("2009/2010", "year", "2009-10"),
        ("1999/2000", "year", "1999-00"),
        ("2015/2018", "year", "2015–18|2015-18"),
    ],
)
def test_a_date_has_the_precision_of_its_words(iso: str, precision: str, texts: str) -> None:
    for date in map(only_date, texts.split("|")):
        assert date is not None
        assert (date.iso, date.precision) == (iso, precision)


@pytest.mark.parametrize(
    "text",
    [
        "29 February 2023", "31 April 2020", "30 February 2015", "Vienna in 2015", "3,000",
        "12-day", "may", "2000 kg", "", "19", "3–2 May 2020", "2015-14",
    ],
)  # fmt: skip
def test_texts_without_exactly_one_date_have_none(text: str) -> None:
    assert only_date(text) is None


@pytest.mark.parametrize("end", ["\n", " \n", "\n    ", "\r\n"])
@given(day=DAYS)
def test_a_date_may_be_broken_over_two_lines(end: str, day: dt.date) -> None:
    for form in (
        "{d:%-d}|{d:%B} {y}",
        "{d:%-d} {d:%B}|{y}",
        "{d:%B}|{d:%-d}, {y}",
        "{d:%B} {d:%-d},|{y}",
    ):
        text = form.format(d=day, y=f"{day.year:04}").replace("|", end)
        assert [(date.iso, date.precision) for date in dates(text)] == [(day.isoformat(), "day")]


def test_a_date_does_not_go_on_in_the_next_paragraph() -> None:
    assert [date.iso for date in dates("It ends on 8 August\n\n2015 was dry")] == [
        "--08-08",
        "2015",
    ]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("on 8 August, about 1753 hours local time", 17 * 60 + 53),
        ("at 1753 hours", 17 * 60 + 53),
        ("at approximately 1940 hrs", 19 * 60 + 40),
        ("About 1430 UTC, the airplane", 14 * 60 + 30),
        ("about 1753 eastern daylight time", 17 * 60 + 53),
        ("at 1753 EDT", 17 * 60 + 53),
        ("1400Z", 14 * 60),
        ("0853 hours local", 8 * 60 + 53),
    ],
)
def test_four_digits_on_a_clock_are_no_year(text: str, minutes: int) -> None:
    assert not [date for date in dates(text) if date.precision == "year"]
    assert [(time.minutes, time.is_exact) for time in times(text)] == [(minutes, True)]


@pytest.mark.parametrize("text", ["1500 hours of flight", "1,500 hours", "2015 hrs", "in 2015"])
def test_a_duration_or_a_year_is_no_time(text: str) -> None:
    assert times(text) == []


@pytest.mark.parametrize(
    "text", ["in 2015, local time was", "2015 local elections", "2015 Central"]
)
def test_a_year_before_other_words_stays_a_year(text: str) -> None:
    assert [date.iso for date in dates(text)] == ["2015"]


def test_an_impossible_day_is_not_cut_down_to_its_month() -> None:
    assert dates("30 February 2015") == []


@given(DAYS, DAYS)
def test_days_agree_with_themselves_their_month_and_year(day: dt.date, other_day: dt.date) -> None:
    full_date = only_date(f"{day:%d %B} {day.year:04}")
    year, month = day.year == other_day.year, day.month == other_day.month
    for text, is_same in (
        (other_day.isoformat(), day == other_day),
        (f"{other_day:%B} {other_day.year:04}", year and month),
        (f"{other_day.year:04}", year),
    ):
        date_again = only_date(text)
        assert full_date is not None
        assert date_again is not None
        assert compare(full_date, date_again) is (
            Relation.SAME if is_same else Relation.CONTRADICTS
        )


@pytest.mark.parametrize(
    ("pairs", "is_same"),
    [
        ("2015 = before 2015; early 2015 = late 2015; 2003 to 2005 = 2003", False),
        ("after 14 July 2015 = 14 July 2015", False),
        ("2015 = early 2015; in 2015 = the year 2015; 1990s = 1994", True),
    ],
)
def test_qualifiers_are_part_of_a_date(pairs: str, is_same: bool) -> None:
    for pair in pairs.split("; "):
        date, rival = map(only_date, pair.split(" = "))
        assert date is not None
        assert rival is not None
        assert (compare(date, rival) is Relation.SAME) is is_same
        assert (compare(rival, date) is Relation.SAME) is is_same


def test_days_however_they_are_written() -> None:
    text = "ended July 13, 2023; on 13 July 2023; 2023-07-13; 7/13/2023; 13.7.2023"
    assert days(text) == {"2023-07-13"}
    assert days("30 February 2020, in July 2023") == frozenset()
    assert days("7/1/2023") == {"2023-07-01", "2023-01-07"}


def test_questions_name_days_also_without_a_year_and_in_lower_case() -> None:
    for question in (
        "on 24 July?",
        "on july 24th",
        "24 july 2024",
        "24.7.2024",
        "at the 24 jul one",
    ):
        assert share_day(named_days(question), {"2024-07-24"}), question
    assert share_day(named_days("the letter of 8 may"), named_days("8 May 2023"))
    assert named_days("may 3 people attend a march?") == frozenset()
    assert not share_day(named_days("24 July 2023"), named_days("24 July 2024"))


@pytest.mark.parametrize(
    ("date", "texts"),
    [
        ("2015", "2015"),
        ("2015-07", "2015-07|July 2015"),
        ("2015-07-14", " 2015-07-14 |14 July 2015|July 14, 2015|14th Jul 2015"),
        ("2015-07-14", "2015-07-14T10:00:00+02:00|D:20150714100000+02'00'"),
        ("2026-02-13", "Fri, 13 Feb 2026 10:00:00 +0000"),
        ("", "2015-13-01|31 February 2015|14 Juillet 2015|03/04/2024|soon|"),
    ],
)
def test_a_date_of_metadata_is_in_iso(date: str, texts: str) -> None:
    dates = {text: iso_date(text) for text in texts.split("|")}
    assert dates == dict.fromkeys(dates, date)


def test_the_year_of_metadata() -> None:
    texts = "14 July 2015", "Spring 2024", "2019 to 2021", "x"
    assert [only_year(text) for text in texts] == ["2015", "2024", "", ""]


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    assert iso_date(text) == "" or iso_date(iso_date(text)) == iso_date(text)
