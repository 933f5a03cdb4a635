import datetime as dt

import pytest

from rag.composing.values.relative import document_date, resolve

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
def test_relative_dates_at_month_ends_and_leap_days(words: str, day: str, iso: str, precision: str) -> None:
    found = resolve(words, "", dt.date.fromisoformat(day))
    assert found is not None
    assert (found.iso, found.precision) == (iso, precision)
    assert found.how == f'"{words}" in a document of {day}'


@pytest.mark.parametrize(
    "words", ["three days earlier", "the next day", "after the war", "2015", "Vienna", "that Friday", "", "9999 years ago"]
)
def test_what_counts_from_another_event_is_not_resolved(words: str) -> None:
    assert resolve(words, "", TUESDAY) is None


def test_a_weekday_ahead_is_the_next_one() -> None:
    found = resolve("on Friday", "The sides will meet ", TUESDAY)
    assert found is not None
    assert found.iso == "2026-02-13"


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
        ({}, "", None),
    ],
)
def test_a_documents_day_is_known_or_not(metadata: dict[str, str], text: str, day: str | None) -> None:
    found = document_date(metadata, text)
    assert (found.isoformat() if found else None) == day
