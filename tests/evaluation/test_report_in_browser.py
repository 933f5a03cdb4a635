"""The report in a real browser: sorting and filtering the misses, with the mouse and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from rag.evaluation.records import Row
from rag.evaluation.report.page import page as rendered
from rag.evaluation.result import Result

pytestmark = pytest.mark.slow
FACTS = {
    **{"name": "town", "commit": "0" * 10, "made": "2026-01-01", "gold": "town.jsonl"},
    **{"settings": {}, "models": {}, "machine": {}, "index": {"documents": 2, "passages": 9}},
}


def miss(name: str, question: str, stage: str, rank: int | None) -> Row:
    return Row(
        name,
        question,
        "a",
        "answerable",
        ("yes",),
        text="no",
        rank=rank,
        stage=stage,
        ms={"total": 5.0},
        evidence=1,
    )


MISSES = [
    miss("1", "When was the mill built?", "reader", 10),
    miss("2", "Who owns the bridge?", "dense", None),
    miss("3", "How deep is the lake?", "reader", 2),
    miss("4", "Where is the old mill?", "passage", 1),
]
GOOD = Row(
    "5",
    "Why?",
    "b",
    "answerable",
    ("so",),
    text="so",
    f1=1.0,
    em=1.0,
    right=True,
    rank=1,
    ms={"total": 5.0},
    evidence=1,
)


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(rendered(Result.of(FACTS, [*MISSES, GOOD]), None, []), encoding="utf-8")
    return path


@pytest.fixture(params=[1280, 390])
def opened(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Page]:
    """The report, wide and on a phone; fails if its script complains or it is wider than the
    screen.
    """
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console", lambda message: errors.append(message.text) if message.type == "error" else None
    )
    page.goto(report.as_uri())
    yield page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
    assert errors == []


def shown(page: Page) -> list[str]:
    """The ids of the visible rows, in order."""
    return [
        row.locator("td").first.locator("small").inner_text()
        for row in page.locator("#misses tbody tr:visible").all()
    ]


def test_filters_by_words_and_stage(opened: Page) -> None:
    assert shown(opened) == ["1", "2", "3", "4"]
    opened.get_by_label("Only rows with these words").fill("MILL when")
    assert shown(opened) == ["1"]
    opened.get_by_label("Only rows with these words").fill("mill")
    expect(opened.get_by_role("status")).to_have_text("2 of 4")
    opened.get_by_label("Only of a stage").select_option("reader")
    assert shown(opened) == ["1"]
    opened.get_by_label("Only rows with these words").fill("")
    assert shown(opened) == ["1", "3"]


def test_orders_numbers_as_numbers_and_goes_back(opened: Page) -> None:
    order = opened.get_by_label("Order")
    order.select_option("by rank, up")
    assert shown(opened) == ["4", "3", "1", "2"]
    order.select_option("by rank, down")
    assert shown(opened) == ["2", "1", "3", "4"]
    order.select_option("as asked")
    assert shown(opened) == ["1", "2", "3", "4"]


def test_a_stage_in_the_summary_shows_its_misses(opened: Page) -> None:
    opened.locator("[data-show=reader]").click()
    assert shown(opened) == ["1", "3"]


def test_a_heading_sorts_up_then_down(browser: Browser, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(report.as_uri())
    heading = page.locator("#misses th").first
    heading.get_by_role("button").click()
    assert shown(page) == ["3", "1", "4", "2"]
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("button").click()
    assert shown(page) == ["2", "4", "1", "3"]
    expect(heading).to_have_attribute("aria-sort", "descending")
    page.close()
