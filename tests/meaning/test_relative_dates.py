import datetime as dt

import pytest

from rag.meaning.relative_dates import document_date, resolve

TUESDAY = dt.date(2026, 2, 10)


@pytest.mark.parametrize(
    ("words", "day", "iso"),
    [
        ("on Tuesday", "2026-02-10", "2026-02-10"),
        ("Friday", "2026-02-10", "2026-02-06"),
        ("last Tuesday", "2026-02-10", "2026-02-03"),
        ("next Tuesday", "2026-02-10", "2026-02-17"),
        ("yesterday", "2024-03-01", "2024-02-29"),
        ("tomorrow", "2025-12-31", "2026-01-01"),
        ("today", "2026-02-10", "2026-02-10"),
        ("three days ago", "2024-03-02", "2024-02-28"),
        ("a month ago", "2026-03-31", "2026-02"),
        ("last month", "2026-01-31", "2025-12"),
        ("next month", "2026-01-31", "2026-02"),
        ("a year ago", "2024-02-29", "2023"),
        ("last year", "2026-02-10", "2025"),
        ("two weeks ago", "2026-02-10", "2026-W05"),
        ("this week", "2026-01-01", "2026-W01"),
        ("last June", "2026-02-10", "2025-06"),
        ("next June", "2026-02-10", "2026-06"),
    ],
)
def test_relative_dates_at_month_ends_and_leap_days(words: str, day: str, iso: str) -> None:
    resolved = resolve(words, "", dt.date.fromisoformat(day))
    assert resolved is not None
    precision = "week" if "W" in iso else {4: "year", 7: "month", 10: "day"}[len(iso)]
    assert (resolved.iso, resolved.precision) == (iso, precision)
    assert resolved.how == f'"{words}" in a document of {day}'


@pytest.mark.parametrize(
    ("text_before", "words", "text_after", "iso"),
    [
        ("The sides will meet ", "on Friday", ".", "2026-02-13"),
        ("", "On Friday", " the two sides will meet.", "2026-02-13"),
        ("", "On Friday", ", the two sides will meet.", "2026-02-13"),
        ("The vote is scheduled ", "on Friday", ".", "2026-02-13"),
        ("The plan was approved ", "on Friday", ".", "2026-02-06"),
        ("Due to heavy rain, the river rose ", "on Friday", ".", "2026-02-06"),
        ("He would not comment when asked ", "on Friday", ".", "2026-02-06"),
        ("The minister, who is expected to resign, arrived ", "on Friday", ".", "2026-02-06"),
        ("He arrived ", "on Friday", " and will leave soon.", "2026-02-06"),
        ("They meet ", "this Friday", ".", "2026-02-13"),
        ("They meet ", "this Tuesday", ".", "2026-02-10"),
        ("They will wait ", "until Friday", ".", "2026-02-13"),
        ("The offer is valid until ", "Friday", ".", None),
        ("The shop was closed ", "from Monday", ".", None),
        ("It has rained ", "since Friday", ".", "2026-02-06"),
        ("It should arrive ", "on Friday", ".", "2026-02-13"),
        ("They meet ", "next Thursday", ".", None),
        ("They meet ", "next Friday", ".", "2026-02-13"),
        ("Choir | band met on ", "Friday", ".", "2026-02-06"),
        ("The ", "next year", " they signed.", None),
        ("", "The next month", " they signed.", None),
        ("", "three days earlier", "", None),
        ("", "the next day", "", None),
        ("", "2015", "", None),
        ("", "that Friday", "", None),
        ("", "9999 years ago", "", None),
    ],
)
def test_a_weekday_is_past_or_ahead(
    text_before: str, words: str, text_after: str, iso: str | None
) -> None:
    resolved = resolve(words, text_before, TUESDAY, text_after)
    assert (resolved.iso if resolved else None) == iso


def test_a_weekday_in_a_row_of_a_table_recurs() -> None:
    assert resolve("Wednesday", "Choir, ", TUESDAY, ", 19:00", in_row=True) is None
    assert resolve("yesterday", "Choir, ", TUESDAY, ", 19:00", in_row=True) is not None


def test_a_bound_stays_with_its_day() -> None:
    resolved = resolve("until Friday", "They will wait ", TUESDAY)
    assert resolved is not None
    assert resolved.bound == "until"


@pytest.mark.parametrize("day", [dt.date.min, dt.date.max])
def test_impossible_days_are_not_resolved(day: dt.date) -> None:
    for words in ("yesterday", "tomorrow", "last Friday", "next Friday", "last year", "a year ago"):
        resolved = resolve(words, "", day)
        assert resolved is None or "0001" <= resolved.iso[:4] <= "9999"


@pytest.mark.parametrize(
    ("metadata", "text", "day"),
    [
        ({"date": "2026-02-10"}, "", "2026-02-10"),
        ({"date": "2026-02-10T09:30:00Z"}, "", "2026-02-10"),
        ({"date": "10 February 2026"}, "", "2026-02-10"),
        ({}, "Visit to Oman\n\nPublished on 10 February 2026\n\nText.", "2026-02-10"),
        ({}, "Visit to Oman\nMUSCAT, 10 February 2026 — The secretary arrived.", "2026-02-10"),
        ({"date": "February 2026"}, "It was on 10 February 2026 that he came.", None),
        ({"date": "soon"}, "Since 2015 much has changed.", None),
        ({}, "VIENNA (10 February 2026) – The talks went on.", "2026-02-10"),
        ({}, "Elizabeth II (21 April 1926) – she was Queen.", None),
        ({}, "Elizabeth II, 21 April 1926 – 8 September 2022, was Queen.", None),
        ({}, "", None),
    ],
)
def test_the_day_of_a_document(metadata: dict[str, str], text: str, day: str | None) -> None:
    date = document_date(metadata, text)
    assert (date.isoformat() if date else None) == day
