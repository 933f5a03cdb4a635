"""The page in a real browser, on fakes, and once on the shipped models."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Dialog, Page, expect

from rag.server.api_keys import keys_of
from rag.server.static import PAGE, SCRIPTS
from rag.settings import Settings
from tests.server.conftest import OMAN
from tests.server.fake_server import ROOT, process, put_text, serving

pytestmark = pytest.mark.slow
BURNS = "Who led the talks?"


class Watched:
    """A page whose every error, dialog and request to another place is noted."""

    def __init__(self, browser: Browser, client: httpx.Client, width: int = 1280) -> None:
        self.context = browser.new_context(base_url=str(client.base_url), viewport={"width": width, "height": 800})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.noted: list[str] = []
        self.page.on("console", lambda message: self.noted.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.noted.append(str(error)))
        self.page.on("dialog", self._dialog)
        own = str(client.base_url).rstrip("/")
        self.page.on("request", lambda r: None if r.url.startswith((own, "data:")) else self.noted.append(r.url))

    def _dialog(self, dialog: Dialog) -> None:
        self.noted.append(dialog.message)
        dialog.dismiss()


@pytest.fixture
def watched(browser: Browser, client: httpx.Client) -> Iterator[Watched]:
    made = Watched(browser, client)
    yield made
    made.context.close()
    assert made.noted == []


def ask(page: Page, question: str) -> None:
    page.get_by_label("What do your documents say?").fill(question)
    page.keyboard.press("Enter")


def test_asking_and_opening_a_citation_shows_exactly_what_is_cited(watched: Watched, client: httpx.Client) -> None:
    page = watched.page
    page.goto("/")
    ask(page, BURNS)
    expect(page.locator(".words")).to_contain_text("William Burns")
    expect(page.get_by_role("status")).to_contain_text("1 citation")
    page.get_by_role("button", name=re.compile(r"^Citation 1, oman")).click()
    document = page.get_by_role("region", name="Text of oman")
    expect(document.locator("mark")).to_have_text("William Burns")
    citation = client.post("/v1/ask", json={"question": BURNS}).json()["citations"][0]
    assert "".join(document.locator(".sentence").all_text_contents()) == citation["cited_text"]
    assert document.locator(".document").text_content() == OMAN
    before = document.locator(".document").evaluate(
        "view => { const range = document.createRange(); range.selectNodeContents(view);"
        " range.setEndBefore(view.querySelector('mark')); return Array.from(range.toString()).length; }"
    )
    assert before == citation["highlight"]["start_char_index"]
    expect(document.locator("mark")).to_be_in_viewport()


def test_upload_ask_delete_ask_again(watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    (tmp_path / "cat.md").write_text("# The cat\n\nThe cat is called Minka.")
    page.goto("/")
    page.get_by_role("button", name="Documents", exact=False).first.click()
    page.locator("#file").set_input_files(tmp_path / "cat.md")
    expect(page.locator("#uploads")).to_contain_text("cat.md: added")
    expect(page.locator("#document-count")).to_have_text("3")
    ask(page, "What is the cat called?")
    expect(page.locator(".words")).to_contain_text("Minka")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Documents", exact=False).first.click()
    page.get_by_role("button", name="Delete The cat").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.get_by_role("status")).to_contain_text("The cat is deleted")
    ask(page, "Is the cat called by a name?")
    expect(page.locator(".words")).to_have_text("Not found")
    expect(page.get_by_role("heading", name="What came nearest")).to_be_visible()


HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(2)></script><svg onload=alert(3)>
</textarea></title><iframe srcdoc="<script>alert(4)</script>"></iframe>{{7*7}}${alert(5)}

The villain is Mallory <b onmouseover=alert()>bold</b>.

\u202eEvil \u2066override\u2069 javascript:alert(7)."""


def test_a_hostile_document_is_text(watched: Watched, client: httpx.Client) -> None:
    page = watched.page
    name = "<img src=x onerror=alert(8)>.txt"
    put_text(client, name, HOSTILE)
    try:
        page.goto("/")
        ask(page, "Who is the villain?")
        expect(page.locator(".words")).to_contain_text("Mallory")
        page.keyboard.press("Tab")
        page.locator("[data-citation='1']").click()
        document = page.locator(".document")
        expect(document.locator("mark")).to_have_text("Mallory")
        shown = document.text_content()
        assert shown == client.get("/v1/documents/uploads/" + name.replace("<", "%3C").replace(">", "%3E") + "/text").text
        for tag in ("script", "img", "iframe", "svg", "b"):
            assert document.locator(tag).count() == 0
        page.get_by_role("button", name="Documents", exact=False).first.click()
        expect(page.locator("[data-document]")).to_have_count(3)
        page.wait_for_timeout(300)
    finally:
        for one in client.get("/v1/documents").json()["documents"]:
            if "<img" in one["id"]:
                client.delete("/v1/documents/" + one["id"].replace("<", "%3C").replace(">", "%3E"))


def test_a_megabyte_in_one_line_is_opened_at_its_citation(watched: Watched, client: httpx.Client) -> None:
    words = "\U0001f600lorem " * 60_000
    put_text(client, "long.txt", words + "The gardener is Penelope. " + words)
    try:
        page = watched.page
        page.goto("/")
        ask(page, "Who is the gardener?")
        expect(page.locator(".words")).to_contain_text("Penelope")
        page.locator("[data-citation='1']").click()
        expect(page.locator(".document mark")).to_have_text("Penelope", timeout=20_000)
        expect(page.locator(".document mark")).to_be_in_viewport()
        page.get_by_role("button", name="Show what comes before").click()
        expect(page.locator(".document mark")).to_have_text("Penelope")
    finally:
        client.delete("/v1/documents/uploads/long.txt")


def test_a_link_reproduces_a_question_and_recent_ones_are_kept(watched: Watched) -> None:
    page = watched.page
    page.goto("/#q=Who+led+the+talks%3F&f=document%3Duploads%2Foman.txt")
    expect(page.locator(".words")).to_contain_text("William Burns")
    expect(page.get_by_label("Conditions, separated by commas")).to_have_value("document=uploads/oman.txt")
    page.get_by_role("link", name="rag, start again").click()
    page.get_by_role("button", name=BURNS).click()
    expect(page.locator(".words")).to_contain_text("William Burns")
    page.go_back()
    page.get_by_role("button", name="Forget them").click()
    expect(page.get_by_role("heading", name="Recent questions")).to_be_hidden()


def test_a_comma_within_a_condition_does_not_part_it(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    page.locator("#filters").evaluate("box => { box.value = 'title=oil, gas, year>=2024,type!=pdf , source:notes/a, b'; }")
    assert page.evaluate("conditions()") == ["title=oil, gas", "year>=2024", "type!=pdf", "source:notes/a, b"]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_keyboard_is_enough(browser: Browser, client: httpx.Client, width: int) -> None:
    watched = Watched(browser, client, width)
    page = watched.page
    page.goto("/")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type(BURNS)
    page.keyboard.press("Enter")
    expect(page.locator(".words")).to_contain_text("William Burns")
    page.keyboard.press("Tab")
    page.keyboard.press("1")
    expect(page.locator("#side h2")).to_be_focused()
    expect(page.locator(".document mark")).to_have_text("William Burns")
    page.keyboard.press("Escape")
    expect(page.locator("[data-citation='1']")).to_be_focused()
    page.keyboard.press("d")
    expect(page.get_by_role("list", name="Documents")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#show-documents")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("#question")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    unnamed = page.locator("button, input, textarea").evaluate_all(
        "all => all.filter(one => !one.hidden && !(one.textContent.trim() || one.ariaLabel || one.labels?.length)).length"
    )
    assert unnamed == 0
    watched.context.close()
    assert watched.noted == []


@contextmanager
def locked(browser: Browser, folder: Path) -> Iterator[tuple[Watched, str]]:
    """The page of a service that needs a key, and the key."""
    _, token = keys_of(Settings(index=folder)).add("a", "read")
    with serving(folder, key=token) as client:
        watched = Watched(browser, client)
        watched.page.goto("/")
        yield watched, token
        watched.context.close()


def test_one_key_answers_several_refusals(browser: Browser, tmp_path: Path) -> None:
    with locked(browser, tmp_path) as (watched, token):
        page = watched.page
        page.evaluate("void (window.both = Promise.all([getJson('/v1/documents'), getJson('/v1/documents')]))")
        page.wait_for_timeout(300)
        page.get_by_role("textbox", name="API key").fill(token)
        page.get_by_role("button", name="Use it").click()
        assert len(page.evaluate("window.both")) == 2
        assert page.evaluate("sessionStorage.getItem('key')") == token
        expect(page.locator("#key")).not_to_be_visible()


def test_a_key_is_asked_for_and_a_problem_is_said(browser: Browser, tmp_path: Path) -> None:
    with locked(browser, tmp_path) as (watched, token):
        page = watched.page
        page.get_by_role("textbox", name="API key").fill("wrong")
        page.get_by_role("button", name="Use it").click()
        expect(page.locator("#key-wrong")).to_contain_text("wrong or revoked")
        page.get_by_role("textbox", name="API key").fill(token)
        page.get_by_role("button", name="Use it").click()
        expect(page.get_by_role("heading", name="There is nothing to ask yet")).to_be_visible()
        ask(page, "Anyone there?")
        expect(page.get_by_role("alert")).to_contain_text("the index is empty")
    assert [line for line in watched.noted if "401" not in line and "409" not in line] == []


def test_on_the_shipped_models(browser: Browser, tmp_path: Path) -> None:
    with process(tmp_path, fake=False) as (_, client):
        watched = Watched(browser, client)
        page = watched.page
        page.goto("/")
        page.get_by_role("button", name="Add documents").click()
        page.locator("#file").set_input_files(ROOT / "seeds" / "what-people-ask-about-the-deal.md")
        expect(page.locator("#uploads")).to_contain_text("added", timeout=60_000)
        ask(page, "When was the JCPOA signed?")
        expect(page.locator(".words")).to_contain_text("2015", timeout=30_000)
        page.locator("[data-citation='1']").click()
        expect(page.locator(".document mark")).to_contain_text("2015")
        ask(page, "What is the capital of Mongolia?")
        expect(page.locator(".words")).to_have_text("Not found", timeout=30_000)
        watched.context.close()
        assert watched.noted == []


def test_the_page_runs_nothing_but_its_own_script(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    refused = page.evaluate(
        "new Promise(done => { document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective));"
        " const script = document.createElement('script'); try { script.text = 'document.title = 1'; } catch { done('types'); }"
        " document.head.append(script); })"
    )
    assert refused in ("script-src-elem", "require-trusted-types-for", "types")
    expect(page).to_have_title("rag")
    watched.noted.clear()


def test_the_page_is_whole_and_names_no_other_place() -> None:
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", PAGE.html)
    assert "http://" not in PAGE.html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in PAGE.html
    assert "innerHTML" not in PAGE.script
    here = Path(PAGE.__class__.__module__.replace(".", "/"))
    assert set(SCRIPTS) == {path.name for path in (Path(__file__).parents[2] / here).glob("*.js")}


def test_a_link_opens_a_document_at_the_quoted_words(watched: Watched, client: httpx.Client) -> None:
    asked = {"model": "rag", "messages": [{"role": "user", "content": BURNS}]}
    message = client.post("/v1/chat/completions", json=asked).json()["choices"][0]["message"]
    watched.page.goto(message["annotations"][0]["url_citation"]["url"])
    expect(watched.page.locator("#side mark")).to_have_text("William Burns")
