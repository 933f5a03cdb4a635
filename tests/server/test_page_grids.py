"""The page's grids in a real browser, with fake models."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from rag import build
from rag.server.schemas import AnswerSchema
from tests.fakes import whole_shelf
from tests.server.fake_server import add_key, put_text, put_texts, serving
from tests.server.routes.test_grids import COLUMNS, GRID, wait
from tests.server.test_page import EVIL, ask, last, visit

pytestmark = pytest.mark.slow


def put_leases(client: httpx.Client) -> None:
    oak = "# Oak\n\nThe lease ends in 2027. The tenant is Ada Lovelace."
    elm = "# Elm\n\nThe lease ends in 2029. The landlord is George Boole."
    put_texts(client, {"oak.md": oak, "elm.md": elm, "notes.md": "# Notes\n\nNothing was agreed."})


@pytest.fixture
def leases(tmp_path: Path) -> Iterator[httpx.Client]:
    """A service of three documents; a guess is one below 60 %."""
    with serving(tmp_path, threshold=0.6) as client:
        put_leases(client)
        yield client


@pytest.fixture
def answered_leases(tmp_path: Path) -> Iterator[httpx.Client]:
    """The same, where the likeliest values are answers."""
    with serving(tmp_path) as client:
        put_leases(client)
        yield client


def make_grid(client: httpx.Client, **changes: Any) -> None:
    assert wait(client, client.post("/v1/grids", json=GRID | changes))["outcome"] == "answered"


def cell(page: Page, row: str, number: int) -> Any:
    return page.get_by_role("row", name=row).get_by_role("cell").nth(number)


def rating(client: httpx.Client) -> Any:
    return client.get("/v1/grids/leases").json()["cells"][-1]["cells"][0]["rating"]


def test_a_grid_from_its_questions_to_its_file(browser: Browser, leases: httpx.Client) -> None:
    with visit(browser, leases) as watched:
        page = watched.page
        page.get_by_role("button", name="Grids").click()
        page.get_by_role("button", name="New grid").click()
        watched.audit("form of a grid")
        page.get_by_label("Name of the grid").fill("leases")
        page.get_by_label("Question", exact=True).fill(COLUMNS[0]["question"])
        page.get_by_label("Short name").fill("End")
        page.get_by_label("Kind of answer").select_option("date")
        page.get_by_role("button", name="Add a question").click()
        page.get_by_label("Question", exact=True).nth(1).fill(COLUMNS[1]["question"])
        page.locator(".grid-form").get_by_role("button", name="Ask", exact=True).click()
        expect(cell(page, "Oak", 0)).to_contain_text("2027")
        expect(cell(page, "Oak", 1)).to_have_text(re.compile(r"^Ada Lovelace\d\d%$"))
        expect(cell(page, "Elm", 1)).to_have_text(re.compile(r"^George Boolebest guess \d\d%$"))
        expect(cell(page, "Notes", 0)).to_have_text("not in the document")

        page.reload()
        page.get_by_role("button", name="not in the document 2").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("button", name="all", exact=True).click()
        page.get_by_title("Sort by End").click()
        expect(page.locator("tbody tr").first).to_contain_text("Oak")
        expect(page.locator("tbody tr").last).to_contain_text("Notes")

        cell(page, "Elm", 0).get_by_role("button").focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        expect(page.locator(".document mark")).to_have_text("2027")
        panel = page.get_by_role("group", name="Oak, End")
        expect(panel).to_contain_text("When does the lease end?")
        panel.get_by_role("button", name="Correct").click()
        watched.audit("correction of a cell")
        page.get_by_label("The right answer").fill("31 May 2027")
        page.keyboard.press("Enter")
        expect(cell(page, "Oak", 0)).to_have_text("31 May 2027corrected")
        assert rating(leases)["value"] == "31 May 2027"
        page.get_by_role("button", name="Undo").click()
        expect(cell(page, "Oak", 0)).to_contain_text("2027")
        expect(panel.get_by_role("button", name="Correct")).to_have_attribute(
            "aria-pressed", "false"
        )
        assert rating(leases) is None
        panel.get_by_role("button", name="Confirm").click()
        expect(cell(page, "Oak", 0)).to_contain_text("confirmed")
        page.keyboard.press("Escape")
        expect(cell(page, "Oak", 0).get_by_role("button")).to_be_focused()

        for label, words in (("CSV", "2027,confirmed,"), ("Gold questions", '"answers": ["2027"]')):
            page.get_by_text("Save as", exact=True).click()
            with page.expect_download() as saved:
                page.get_by_role("button", name=label).click()
            assert words in Path(saved.value.path()).read_text()

        page.get_by_role("button", name="Delete", exact=True).click()
        expect(page.get_by_role("button", name="New grid")).to_be_visible()
        page.get_by_role("button", name="Undo").last.click()
        expect(cell(page, "Oak", 0)).to_contain_text("confirmed")
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.locator("#question")).to_be_focused()
        assert "grid" not in page.url
        page.go_back()
        expect(cell(page, "Oak", 0)).to_contain_text("confirmed")


def test_changed_answers_are_announced(browser: Browser, answered_leases: httpx.Client) -> None:
    make_grid(answered_leases)
    put_text(
        answered_leases,
        "elm.md",
        "# Elm\n\nAt noon. The lease ends in 2035. The landlord is George.",
    )
    with visit(browser, answered_leases, path="/#grid=leases") as watched:
        page = watched.page
        cell(page, "Elm", 0).get_by_role("button").click()
        expect(page.locator("#side")).to_contain_text("has changed since")
        expect(page.locator("#side mark")).to_have_count(0)
        page.get_by_role("button", name="Ask 2 cells").click()
        notice = page.locator("#grid-notice")
        expect(notice).to_contain_text("2 answers changed since you looked")
        notice.get_by_role("button", name="Show").click()
        watched.audit("grid and its changes")
        expect(notice.locator("li").first).to_contain_text("Elm › Endwas 2029, is 2035")
        notice.locator("li button").first.click()
        expect(page.locator(".document mark")).to_have_text("2035")
        page.goto("/")
        changes = page.get_by_role("list", name="Changes of leases").locator("li")
        expect(changes).to_have_count(2)
        end = changes.filter(has_text="End")
        expect(end).to_contain_text("elm.md › Endwas 2029, is 2035document changed")
        watched.audit("start page with changes")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
        page.get_by_role("button", name="Open grid: leases").click()
        expect(notice).to_contain_text("2 answers changed since you looked")
        page.goto("/")
        page.get_by_role("button", name="Grids 2").click()
        expect(page.get_by_role("list", name="Grids").locator("li")).to_have_count(1)
        watched.audit("grids")
        page.goto("/#grid=leases")
        page.get_by_role("button", name="Mark as seen").click()
        expect(notice).to_be_empty()
        expect(page.get_by_role("button", name="Grids", exact=True)).to_be_visible()
        assert answered_leases.get("/v1/grids/leases/changes").json() == {"changes": []}


@pytest.mark.parametrize("scope", ["write", "read"])
def test_the_start_page_says_what_changed_until_it_is_marked_as_seen(
    browser: Browser, tmp_path: Path, scope: str
) -> None:
    key = add_key(tmp_path, scope)
    with serving(tmp_path, key=add_key(tmp_path, "write")) as client:
        put_leases(client)
        make_grid(client)
        put_text(client, "elm.md", "# Elm\n\nThe lease ends in 2035. The landlord is George Boole.")
        wait(client, client.post("/v1/grids/leases/refresh"))
        with visit(browser, client, 390, "401") as watched:
            page = watched.page
            page.locator("#key-value").fill(key)
            page.get_by_role("button", name="Sign in").click()
            standing = page.locator("#standing")
            expect(standing).to_contain_text("was 2029, is 2035")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            page.get_by_role("button", name="Mark as seen: leases").click()
            expect(standing).to_be_hidden()
            seen_by_all = client.get("/v1/grids/leases/changes").json()["changes"] == []
            assert seen_by_all == (scope == "write")
            put_text(
                client, "oak.md", "# Oak\n\nThe lease ends in 2040. The tenant is Ada Lovelace."
            )
            wait(client, client.post("/v1/grids/leases/refresh"))
            page.reload()
            expect(standing).to_contain_text("was 2027, is 2040")
            expect(standing).not_to_contain_text("2035")


def test_hostile_text_stays_text(browser: Browser, leases: httpx.Client) -> None:
    text = f"# {EVIL}\n\nThe tenant of {EVIL} is <b onclick=alert(2)>Mallory</b>."
    leases.post("/v1/documents", files={"file": (f"{EVIL[:28]}.txt", text.encode())})
    make_grid(leases, columns=[{"name": EVIL, "question": f"Who is the tenant of {EVIL}?"}])
    with visit(browser, leases, path="/#grid=leases") as watched:
        page = watched.page
        row = page.get_by_role("row", name="onerror")
        row.last.get_by_role("cell").get_by_role("button").click()
        expect(page.locator("#side .document")).to_contain_text("<b onclick=alert(2)>Mallory</b>")
        page.get_by_role("button", name="Confirm").click()
        expect(page.locator(".undo")).to_contain_text("<img src=x")
        assert page.locator("img[src=x], .grid b[onclick], #side b[onclick]").count() == 0
        assert "\u202e" not in page.locator("body").inner_text()
        page.wait_for_timeout(300)


def test_a_read_only_key_has_no_buttons_that_write(browser: Browser, tmp_path: Path) -> None:
    writer, reader = add_key(tmp_path, "write"), add_key(tmp_path)
    with serving(tmp_path, key=writer, threshold=0.7) as client:
        put_leases(client)
        make_grid(client)
        put_text(client, "elm.md", "# Elm\n\nThe lease ends in 2035.")
        wait(client, client.post("/v1/grids/leases/refresh"))
        with visit(browser, client, 390, "401", "/#grid=leases") as watched:
            page = watched.page
            page.locator("#key-value").fill(reader)
            page.get_by_role("button", name="Sign in").click()
            expect(cell(page, "Oak", 0)).to_contain_text("2027")
            page.get_by_role("button", name="Show", exact=True).click()
            expect(page.locator("#grid-notice li").first).to_contain_text("2035")
            for name in ("Refresh", "Edit", "Delete", "Mark as seen", "Stop"):
                expect(page.locator("#grids").get_by_role("button", name=name)).to_have_count(0)
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            cell(page, "Oak", 0).get_by_role("button").click()
            expect(page.get_by_role("dialog").locator("mark")).to_have_text("2027")
            expect(page.get_by_role("button", name="Confirm")).to_have_count(0)
            page.keyboard.press("Escape")
            page.get_by_role("button", name="All grids").click()
            expect(page.get_by_role("list", name="Grids").locator("li")).to_have_count(1)
            expect(page.get_by_role("button", name="New grid")).to_have_count(0)


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A service that asks each document where a question is over the whole shelf."""
    monkeypatch.setattr(build, "shelf", whole_shelf)
    with serving(tmp_path) as client:
        yield client


def named_leases(years: Iterable[int]) -> dict[str, str]:
    return {f"lease-{y}.md": f"# Lease {y}\n\nThe lease ends in {y}." for y in years}


def test_a_question_over_the_shelf_has_cells_that_open_at_their_quotes(
    browser: Browser, shelf: httpx.Client
) -> None:
    put_texts(shelf, {**named_leases((2027, 2031)), "lease-b.md": "# Lease B\n\nNothing yet."})
    with visit(browser, shelf) as watched:
        page = watched.page
        ask(page, "Which leases end before 2030?")
        turn = last(page)
        expect(turn).to_contain_text("1 of 3 documents")
        expect(turn.locator(".grid-counts")).to_contain_text(
            "1 counted, 1 something else, 1 silent"
        )
        watched.audit("answer over the shelf")
        turn.get_by_text("What the others say (2)").click()
        expect(turn.get_by_role("row", name="Lease B")).to_contain_text("says nothing")
        turn.get_by_role("row", name="Lease 2027").get_by_role("link").click()
        expect(page.locator(".document mark")).to_have_text("2027")


def test_a_question_to_too_many_documents_becomes_a_grid(
    browser: Browser, shelf: httpx.Client
) -> None:
    put_texts(shelf, named_leases(range(1950, 2001)))
    with visit(browser, shelf) as watched:
        page = watched.page
        ask(page, "Which leases end in 1999?")
        expect(last(page)).to_contain_text("51 documents would have to be asked")
        page.get_by_role("button", name="Ask them as a grid").click()
        expect(page.get_by_label("Question", exact=True)).to_have_value("When does the lease end?")
        expect(page.get_by_label("Kind of answer")).to_have_value("date")


def test_a_program_gets_the_cells(shelf: httpx.Client) -> None:
    put_texts(shelf, named_leases((2027, 2031)))
    answer = shelf.post("/v1/ask", json={"question": "Which leases end before 2030?"}).json()
    checked = AnswerSchema.model_validate(answer).grid
    assert checked
    assert checked.counts["counted"] == 1
    assert [row.outcome for row in checked.rows] == ["counted", "other"]
    assert answer["grid"]["rows"][0]["cells"][0]["citation"]["highlight"]["text"] == "2027"
    created = shelf.post("/v1/grids", json=answer["grid"]["definition"])
    assert created.status_code == 202
