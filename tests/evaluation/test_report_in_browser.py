"""The report in a real browser: sorting and filtering the misses, with the mouse and on a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from rag.evaluation.records import Row
from rag.evaluation.report.page import page as rendered
from rag.evaluation.result import Result

pytestmark = pytest.mark.slow
FACTS = {
    "name": "town",
    "commit": "0" * 10,
    "made": "2026-01-01",
    "gold": "town.jsonl",
    "settings": {},
    "models": {},
    "machine": {},
    "index": {"documents": 2, "passages": 9},
}


def row(name: str, question: str, stage: str | None, rank: int | None) -> Row:
    return Row(
        name,
        question,
        "a",
        "answerable",
        ("yes",),
        "no" if stage else "yes",
        rank=rank,
        stage=stage,
        ms={"total": 5.0},
        evidence=1,
    )


ROWS = [
    row("1", "When was the mill built?", "reader", 10),
    row("2", "Who owns the bridge?", "dense", None),
    row("3", "How deep is the lake?", "reader", 2),
    row("4", "Where is the old mill?", "passage", 1),
    row("5", "Why?", None, 1),
]


@pytest.fixture(params=[1280, 390])
def report(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The report, wide and on a phone; fails if its script complains or it is wider than the
    screen.
    """
    path = tmp_path / "report.html"
    path.write_text(rendered(Result.of(FACTS, ROWS), None, []), encoding="utf-8")
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto(path.as_uri())
    yield page
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
    assert errors == []


def visible_rows(page: Page) -> str:
    """The ids of the visible rows, in order."""
    rows = page.locator("#misses tbody tr:visible").all()
    return "".join(row.locator("td").first.locator("small").inner_text() for row in rows)


def test_misses_are_filtered_and_ordered(report: Page) -> None:
    assert visible_rows(report) == "1234"
    labels = ("Only rows with these words", "Only of a stage")
    words, stage = (report.get_by_label(label) for label in labels)
    words.fill("MILL when")
    assert visible_rows(report) == "1"
    words.fill("mill")
    expect(report.get_by_role("status")).to_have_text("2 of 4")
    stage.select_option("reader")
    assert visible_rows(report) == "1"
    words.fill("")
    assert visible_rows(report) == "13"
    stage.select_option("")
    report.locator("[data-show=reader]").click()
    assert visible_rows(report) == "13"
    stage.select_option("")
    order = report.get_by_label("Order")
    for choice, ids in (("by rank, up", "4312"), ("by rank, down", "2134"), ("as asked", "1234")):
        order.select_option(choice)
        assert visible_rows(report) == ids
    if report.viewport_size and report.viewport_size["width"] > 1000:  # a phone shows no headings
        heading = report.locator("#misses th").first
        for ids, direction in (("3142", "ascending"), ("2413", "descending")):
            heading.get_by_role("button").click()
            assert visible_rows(report) == ids
            expect(heading).to_have_attribute("aria-sort", direction)
