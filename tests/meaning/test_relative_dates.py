import datetime as dt

import pytest

from rag.meaning.relative_dates import document_date, resolve

TUESDAY = dt.date(2026, 2, 10)


@pytest.mark.parametrize(
    ("words", "day", "iso", "precision"),
    [
        ("on Tuesday", "2026-02-10", "2026-02-10", "day"),
        ("Friday", "2026-02-10", "2026-02-06", "day"),
        ("last Tuesday", "2026-02-10", "2026-02-03", "day"),
        ("next Tuesday", "2026-02-10", "2026-02-17", "day"),
        ("on Wednesday", "2026-03-01", "2026-02-25", "day"),
        ("yesterday", "2026-03-01", "2026-02-28", "day"),
        ("yesterday", "2024-03-01", "2024-02-29", "day"),
        ("tomorrow", "2025-12-31", "2026-01-01", "day"),
        ("today", "2026-02-10", "2026-02-10", "day"),
        ("three days ago", "2024-03-02", "2024-02-28", "day"),
        ("a month ago", "2026-03-31", "2026-02", "month"),
        ("last month", "2026-03-31", "2026-02", "month"),
        ("last month", "2026-01-31", "2025-12", "month"),
        ("next month", "2026-01-31", "2026-02", "month"),
        ("a year ago", "2024-02-29", "2023", "year"),
        ("last year", "2026-02-10", "2025", "year"),
        ("two weeks ago", "2026-02-10", "2026-W05", "week"),
        ("this week", "2026-01-01", "2026-W01", "week"),
        ("last June", "2026-02-10", "2025-06", "month"),
        ("last February", "2026-02-10", "2025-02", "month"),
        ("next June", "2026-02-10", "2026-06", "month"),
    ],
)
def test_relative_dates_at_month_ends_and_leap_days(
    words: str, day: str, iso: str, precision: str
) -> None:
    found = resolve(words, "", dt.date.fromisoformat(day))
    assert found is not None
    assert (found.iso, found.precision) == (iso, precision)
    assert found.how == f'"{words}" in a document of {day}'


@pytest.mark.parametrize(
    "words",
    [
        "three days earlier", "the next day", "after the war", "2015", "Vienna", "that Friday", "",
        "9999 years ago",
    ],
)  # fmt: skip
def test_dates_relative_to_another_event_are_not_resolved(words: str) -> None:
    assert resolve(words, "", TUESDAY) is None


@pytest.mark.parametrize(
    ("before", "words", "after", "iso"),
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
        ("Choir | ", "Wednesday", " | 19:00", None),
        ("The ", "next year", " they signed.", None),
        ("", "The next month", " they signed.", None),
    ],
)
def test_a_weekday_is_the_last_one_or_if_ahead_the_next(
    before: str, words: str, after: str, iso: str | None
) -> None:
    found = resolve(words, before, TUESDAY, after)
    assert (found.iso if found else None) == iso


def test_a_bound_stays_with_its_day() -> None:
    found = resolve("until Friday", "They will wait ", TUESDAY)
    assert found is not None
    assert found.bound == "until"


@pytest.mark.parametrize(
    "words",
    ["yesterday", "tomorrow", "on Friday", "last Friday", "next Friday", "last year", "a year ago"],
)
@pytest.mark.parametrize("day", [dt.date(1, 1, 1), dt.date(9999, 12, 31)])
def test_impossible_days_are_not_resolved(words: str, day: dt.date) -> None:
    found = resolve(words, "", day)
    assert found is None or "0001" <= found.iso[:4] <= "9999"


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
def test_a_documents_day_is_known_or_not(
    metadata: dict[str, str], text: str, day: str | None
) -> None:
    found = document_date(metadata, text)
    assert (found.isoformat() if found else None) == day
