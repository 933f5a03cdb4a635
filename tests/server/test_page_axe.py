"""axe-core in every state of the page; skipped unless AXE_CORE names axe.min.js."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.fake_server import put_text, serving
from tests.server.routes.test_grids import wait
from tests.server.test_page import (
    ANSWER,
    ARCHITECT,
    BURNS,
    ask,
    cited,
    last,
    open_sources,
    pdf_index,
    pieces,
)
from tests.server.test_page_grids import make_grid, put_leases

__all__ = ["pdf_index"]
AXE = os.environ.get("AXE_CORE", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AXE, reason="set AXE_CORE to axe.min.js of the npm package axe-core"),
    pytest.mark.parametrize("scheme", ["light", "dark"]),
    pytest.mark.parametrize("width", [1280, 390]),
]
DOCUMENT = """# Prices

What it costs.

## Rooms

| Room | Day |
|---|---|
| Small | £70 |
| Large | £160 |

1. Book it
2. Pay

    code = 1
"""
CHECKED = (
    "Oman hosted the secret talks. The talks were led by Paul. The moon is a cheese. It says “The "
    "talks were not led by William Burns”, “so said nobody in here” and “the talks were led by”."
)
CONFLICT = {
    "text": "£1,300",
    "confidence": 0.7,
    "documents": 2,
    "citations": [cited(2, "The rent is £1,300.")],
}
FORMS = {
    "span": pieces("14 July 2015"),
    "yes_no": pieces("Dogs may come."),
    "sentences": pieces("It fell.", "It broke.", gap=(False, True)),
    "steps": pieces("1. Open", "2. Close"),
    "list": pieces("- roof", "- lift"),
    "comparison": pieces("£5", "£6", label=("Old", "New")),
    "overview": pieces("Parts", "One.", heading=(True, False)),
    "catalogue": pieces("A", "B", label=("A", "B")),
}


def assert_nothing_serious(page: Page, state: str) -> None:
    page.evaluate(Path(AXE).read_text())
    found = page.evaluate(
        "axe.run().then(run => run.violations.map(v => [v.impact, v.id, v.nodes.map(n => n.html)]))"
    )
    serious = [one for one in found if one[0] in ("serious", "critical")]
    assert serious == [], state


@contextmanager
def opened(browser: Browser, client: httpx.Client, width: int, scheme: str) -> Iterator[Page]:
    context = browser.new_context(
        base_url=str(client.base_url),
        viewport={"width": width, "height": 800},
        color_scheme=cast(Any, scheme),
        bypass_csp=True,
    )
    page = context.new_page()
    page.goto("/")
    yield page
    context.close()


def test_asking(browser: Browser, client: httpx.Client, width: int, scheme: str) -> None:
    with opened(browser, client, width, scheme) as page:
        assert_nothing_serious(page, "home")
        ask(page, BURNS)
        expect(page.locator(".words")).to_contain_text("William Burns")
        assert_nothing_serious(page, "answer")
        page.get_by_role("button", name="Open citation 1").click()
        expect(page.locator(".document mark")).to_have_text("William Burns")
        assert_nothing_serious(page, "document")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Wrong: this answer is wrong").click()
        expect(page.get_by_label("The right answer")).to_be_visible()
        page.get_by_text("Options", exact=True).click()
        page.get_by_text("More", exact=True).click()
        assert_nothing_serious(page, "thumb, menu and settings")
        page.keyboard.press("Escape")
        ask(page, "Zebras or giraffes?")
        expect(last(page).locator(".words")).to_have_text("Not found")
        assert_nothing_serious(page, "refusal")
        last(page).get_by_role("button", name="Edit the question").click()
        assert_nothing_serious(page, "edit")
        page.get_by_role("link", name="rag, new thread").click()
        assert_nothing_serious(page, "earlier threads")
        page.evaluate("$('help').showModal()")
        assert_nothing_serious(page, "help")


def test_forms_and_conflicts(
    browser: Browser, client: httpx.Client, width: int, scheme: str
) -> None:
    with opened(browser, client, width, scheme) as page:
        for form, made in FORMS.items():
            given = {
                **ANSWER,
                "form": form,
                "answer": "Yes. Dogs may come." if form == "yes_no" else made[0]["text"],
                "pieces": made,
                "citations": [piece["citation"] for piece in made],
                "conflicts": [CONFLICT],
                "alternatives": [CONFLICT],
                "explain": ["Because."],
            }
            page.evaluate(
                "given => { document.body.classList.add('asked'); $('thread').hidden = false;"
                " $('thread').replaceChildren(...renderAnswer(given, () => {}));"
                " document.querySelectorAll('details').forEach(one => { one.open = true; }); }",
                given,
            )
            assert_nothing_serious(page, form)


def test_searching_checking_sources(
    browser: Browser, client: httpx.Client, width: int, scheme: str, tmp_path: Path
) -> None:
    put_text(client, "prices.md", DOCUMENT)
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    with opened(browser, client, width, scheme) as page:
        page.get_by_role("button", name="Search", exact=True).click()
        ask(page, "talks")
        expect(page.locator("#found .card").first).to_be_visible()
        assert_nothing_serious(page, "search")
        page.get_by_role("button", name="Check", exact=True).first.click()
        page.get_by_label("Text to check").fill(CHECKED)
        page.locator("#check").get_by_role("button", name="Check", exact=True).click()
        expect(page.locator(".tally, #check .problem")).to_be_visible()
        assert_nothing_serious(page, "check")
        open_sources(page)
        page.locator("#file").set_input_files(tmp_path / "broken.pdf")
        expect(page.locator(".upload.failed")).to_be_visible()
        page.get_by_role("button", name="Delete Prices").click()
        assert_nothing_serious(page, "sources, failed upload, deletion")
        page.get_by_role("button", name="Undo").click()
        page.get_by_role("button", name="Prices").first.click()
        expect(page.locator(".document table")).to_be_visible()
        assert_nothing_serious(page, "Markdown")


def test_grids(browser: Browser, tmp_path: Path, width: int, scheme: str) -> None:
    with serving(tmp_path, threshold=0.6) as client:
        put_leases(client)
        make_grid(client)
        put_text(client, "elm.md", "# Elm\n\nThe lease ends in 2035.")
        wait(client, client.post("/v1/grids/leases/refresh"))
        rated = {"row": "uploads/oak.md", "column": "End", "verdict": "rejected"}
        client.post("/v1/grids/leases/ratings", json=rated).raise_for_status()
        put_text(client, "new.md", "The lease ends in 2036.")
        with opened(browser, client, width, scheme) as page:
            page.get_by_role("button", name="Grids").click()
            expect(page.get_by_role("list", name="Grids").locator("li")).to_have_count(1)
            assert_nothing_serious(page, "grids")
            page.get_by_role("button", name="New grid").click()
            page.locator(".grid-form").get_by_text("Options", exact=True).click()
            assert_nothing_serious(page, "form of a grid")
            page.goto("/#grid=leases")
            page.get_by_role("button", name="Show", exact=True).click()
            expect(page.locator("#grid-notice li").first).to_be_visible()
            page.get_by_text("Save as", exact=True).click()
            assert_nothing_serious(page, "grid, its changes and files")
            page.keyboard.press("Escape")
            page.locator("#grid-states").get_by_role("button", name="not in the").click()
            page.locator("td button.chosen").first.click()
            expect(page.locator("#side .document")).to_be_visible()
            assert_nothing_serious(page, "cell")
            page.get_by_role("button", name="Correct").click()
            assert_nothing_serious(page, "correction of a cell")


def test_a_page_of_a_pdf(browser: Browser, pdf_index: Path, width: int, scheme: str) -> None:
    with serving(pdf_index) as client, opened(browser, client, width, scheme) as page:
        ask(page, ARCHITECT)
        page.get_by_role("button", name="Open citation 1").click()
        expect(page.locator(".box-on-page")).to_be_visible(timeout=30_000)
        assert_nothing_serious(page, "PDF page")


def test_keys_and_an_empty_collection(
    browser: Browser, tmp_path: Path, width: int, scheme: str
) -> None:
    _, token = keys_of(Settings(index=tmp_path)).add("ada", "read")
    with serving(tmp_path, key=token) as client, opened(browser, client, width, scheme) as page:
        expect(page.locator("#key-value")).to_be_visible()
        page.locator("#key-value").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#key-title")).to_contain_text("wrong")
        assert_nothing_serious(page, "sign-in")
        page.locator("#key-value").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#welcome")).to_be_visible()
        assert_nothing_serious(page, "empty, read-only")
        page.get_by_role("button", name="ada").click()
        assert_nothing_serious(page, "account")
