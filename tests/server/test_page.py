"""Journeys through the page in a real browser, with fake models, and once with the shipped ones.

With AXE_CORE, the path of axe.min.js of the npm package axe-core, each of their states is checked
by axe, in light and dark, wide and narrow.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from playwright.sync_api import (
    Browser,
    Dialog,
    Locator,
    Page,
    Response,
    Route,
    ViewportSize,
    expect,
)

from rag.server import static
from rag.server.static import SCRIPTS
from tests.parsing.pdfs import column, pdf
from tests.server.conftest import OMAN
from tests.server.fake_server import (
    ROOT,
    SlowReader,
    add_key,
    index_of,
    process,
    put_text,
    serving,
    wait_until,
    with_key,
)
from tests.server.test_pdf_pages import assert_lies_on, by_pdfium

pytestmark = pytest.mark.slow
expect.set_options(timeout=30_000)  # long, for busy machines
AXE = os.environ.get("AXE_CORE", "")
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""What axe checks again in dark: only the rules that look at colours."""
RUN_AXE = """options => axe.run(document, options).then(run => run.violations.map(
    v => [v.impact, v.id, v.nodes.map(n => n.html)]))"""
BURNS = "Who led the talks?"
EVIL = "<img src=x onerror=alert(9)>\u202etxt"


class Watched:
    """A page that records errors, dialogs, and requests to other hosts."""

    def __init__(self, browser: Browser, client: httpx.Client, width: int) -> None:
        self.noted: list[str] = []
        self.own = str(client.base_url).rstrip("/")
        self.context = browser.new_context(base_url=self.own, bypass_csp=bool(AXE))
        self.size: ViewportSize = {"width": width, "height": 800}
        self.page = self.open()

    def open(self) -> Page:
        """A tab."""
        page = self.context.new_page()
        page.set_viewport_size(self.size)
        page.set_default_timeout(15_000)
        page.on("console", lambda line: self._note(line.type == "error", line.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("dialog", self._dialog)
        allowed = (self.own, "data:", f"blob:{self.own}")
        page.on("request", lambda sent: self._note(not sent.url.startswith(allowed), sent.url))
        return page

    def _note(self, is_wrong: bool, text: str) -> None:
        if is_wrong:
            self.noted.append(text)

    def _dialog(self, dialog: Dialog) -> None:
        self.noted.append(dialog.message)
        dialog.dismiss()

    def audit(self, state: str) -> None:
        """Fails on what axe finds serious in the page as it is now."""
        if not AXE:
            return
        self.page.evaluate(Path(AXE).read_text())
        for width in (1280, 390):
            self.page.set_viewport_size({"width": width, "height": 800})
            for scheme, options in (("light", {}), ("dark", COLOURS)):
                self.page.emulate_media(color_scheme=cast(Any, scheme))
                violations = self.page.evaluate(RUN_AXE, options)
                serious = [
                    violation for violation in violations if violation[0] in ("serious", "critical")
                ]
                assert serious == [], (state, width, scheme)
        self.page.set_viewport_size(self.size)


@contextmanager
def visit(
    browser: Browser, client: httpx.Client, width: int = 1280, expected: str = "$^", path: str = "/"
) -> Iterator[Watched]:
    """The page of a service. Fails if it notes more than what is `expected`, a pattern."""
    watched = Watched(browser, client, width)
    watched.page.goto(path)
    yield watched
    watched.context.close()
    assert [line for line in watched.noted if not re.search(expected, line)] == []


@pytest.fixture
def watched(browser: Browser, client: httpx.Client) -> Iterator[Watched]:
    listed = documents(client)
    with visit(browser, client, expected="422") as opened:
        yield opened
    assert documents(client) == listed, "the next test finds other documents"


def documents(client: httpx.Client) -> set[str]:
    return {document["id"] for document in client.get("/v1/documents").json()["documents"]}


def ask(page: Page, question: str) -> None:
    page.locator("#question").fill(question)
    page.keyboard.press("Enter")


def keeps_turns(response: Response, count: int) -> bool:
    """Whether it says that the service keeps a thread of so many turns."""
    request = response.request
    if request.method != "PUT" or "/v1/threads/" not in request.url:
        return False
    thread = cast("dict[str, Any]", request.post_data_json)
    return len(thread["turns"]) == count


def last(page: Page) -> Locator:
    """The latest turn of the thread."""
    return page.locator(".turn").last


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def open_citation(page: Page, quote: str | re.Pattern[str]) -> None:
    page.get_by_role("button", name="Open citation 1").click()
    expect(page.locator(".document mark")).to_have_text(quote)


def open_sources(page: Page) -> None:
    page.get_by_role("button", name=re.compile(r"^Sources")).click()
    expect(page.get_by_role("list", name="Documents")).to_be_visible()


def test_an_answer_leads_to_exactly_what_it_cites(watched: Watched, client: httpx.Client) -> None:
    page = watched.page
    watched.audit("home")
    ask(page, BURNS)
    expect(page.locator(".words")).to_contain_text("William Burns")
    expect(page.locator(".answer .inside mark")).to_have_text("William Burns")
    expect(page.get_by_role("status")).to_contain_text("1 citation")
    watched.audit("answer")
    reference = page.get_by_role("button", name="Open citation 1")
    reference.hover()
    preview = page.get_by_role("tooltip")
    expect(preview.locator("mark")).to_have_text("William Burns")
    page.keyboard.press("Escape")
    expect(preview).to_be_hidden()
    reference.focus()
    expect(preview).to_be_visible()
    size = reference.bounding_box()
    assert size
    assert min(size["width"], size["height"]) >= 24
    open_citation(page, "William Burns")
    document = page.get_by_role("region", name="Text of oman")
    citation = client.post("/v1/ask", json={"question": BURNS}).json()["citations"][0]
    assert "".join(document.locator(".sentence").all_text_contents()) == citation["cited_text"]
    assert document.locator(".document").text_content() == OMAN
    scroll = document.locator(".document").evaluate(
        "view => { const range = document.createRange(); range.selectNodeContents(view);"
        " range.setEndBefore(view.querySelector('mark')); return "
        "Array.from(range.toString()).length; }"
    )
    assert scroll == citation["highlight"]["start_char_index"]
    expect(document.locator("mark")).to_be_in_viewport()
    watched.audit("document")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Wrong: this answer is wrong").click()
    expect(page.get_by_label("The right answer")).to_be_visible()
    page.get_by_text("Options", exact=True).click()
    watched.audit("a wrong answer and the settings")
    question = {"model": "rag", "messages": [{"role": "user", "content": BURNS}]}
    message = client.post("/v1/chat/completions", json=question).json()["choices"][0]["message"]
    page.goto(message["annotations"][0]["url_citation"]["url"])
    expect(page.locator("#side mark")).to_have_text("William Burns")


def test_documents_are_added_asked_and_deleted(
    watched: Watched, client: httpx.Client, tmp_path: Path
) -> None:
    page = watched.page
    (tmp_path / "cat.md").write_text("# The cat\n\nThe cat is called Minka.")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
    open_sources(page)
    page.locator("#file").set_input_files([tmp_path / "cat.md", tmp_path / "broken.pdf"])
    expect(page.locator("#uploads")).to_contain_text("cat.md: added")
    expect(page.locator(".upload.failed")).to_be_visible()
    expect(page.locator("#document-count")).to_have_text("3")
    ask(page, "What is the cat called?")
    expect(last(page).locator(".words")).to_contain_text("Minka")
    page.get_by_label("Find documents by name").fill("the cat")
    expect(page.locator("[data-document]")).to_have_count(1)
    delete = page.get_by_role("button", name="Delete The cat")
    delete.click()
    expect(page.locator("#document-count")).to_have_text("2")
    expect(page.get_by_text("0 documents of 2")).to_be_visible()
    watched.audit("sources, failed upload, deletion")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#document-count")).to_have_text("3")
    assert "uploads/cat.md" in documents(client)
    delete.click()
    ask(page, "Minka purrs?")  # a question is not answered from what is deleted
    expect(last(page).locator(".words")).to_have_text("Not found")
    expect(last(page).get_by_role("heading", name="Closest passages")).to_be_visible()
    watched.audit("refusal")
    assert "uploads/cat.md" not in documents(client)
    page.goto("/")
    button(page, "What is the cat called?").click()
    expect(page.locator(".turn").first).to_contain_text("was deleted")
    put_text(client, "soon-gone.txt", "The safe is in Oslo.")
    page.goto("/")
    open_sources(page)
    page.get_by_label("Find documents by name").fill("gone")
    page.get_by_role("button", name="Delete soon-gone").click()
    page.goto("about:blank")  # completes the deletion
    wait_until(lambda: "uploads/soon-gone.txt" not in documents(client), 20)
    page.goto("/")
    open_sources(page)
    page.get_by_role("button", name="New collection").click()
    for name in ("no/slashes", "recipes"):
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_role("button", name="Create").click()
        if "/" in name:
            expect(page.locator("#new-wrong")).not_to_be_empty()
    expect(page.locator("#collection")).to_have_value("recipes")
    expect(page.locator("#document-count")).to_have_text("0")
    client.delete("/v1/collections/recipes").raise_for_status()


def test_threads_are_kept_named_found_and_deleted(watched: Watched) -> None:
    page = watched.page
    ask(page, BURNS)
    expect(last(page).locator(".words")).to_contain_text("William Burns")
    with page.expect_response(lambda response: keeps_turns(response, 2)):
        ask(page, "Who is the tenant?")
        expect(last(page).locator(".words")).to_contain_text("Ada Lovelace")
    page.reload()
    expect(page.locator(".turn")).to_have_count(2)
    page.go_back()
    expect(page.get_by_role("heading", name="Earlier threads")).to_be_visible()
    watched.audit("earlier threads")
    page.go_forward()
    expect(last(page).locator(".words")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(2)
    assert page.evaluate("threads.filter(one => one.id === thread.id).length") == 1
    page.get_by_text("More", exact=True).click()
    watched.audit("menu")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the thread").fill("Talks and tenants")
    with page.expect_response(lambda response: "/v1/threads/" in response.url):
        page.keyboard.press("Tab")
    page.evaluate("localStorage.clear()")  # the service has them, not the browser
    page.goto("/")
    button(page, "Talks and tenants").click()
    expect(page.locator(".turn")).to_have_count(2)
    expect(last(page).locator(".words")).to_contain_text("Ada Lovelace")
    page.get_by_text("More", exact=True).click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save as Markdown").click()
    written = Path(saved.value.path()).read_text()
    assert "# Talks and tenants" in written
    assert "> Oman hosted" in written or "> The talks were led by William Burns" in written
    page.get_by_role("button", name="Delete the question Who is the tenant?").click()
    expect(page.locator(".turn")).to_have_count(1)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".turn")).to_have_count(2)
    page.get_by_role("button", name="Delete the question Who is the tenant?").click()
    page.get_by_role("button", name=f"Edit the question {BURNS}").click()
    watched.audit("edit")
    page.get_by_label("Edit the question", exact=True).fill("Who is the tenant?")
    page.keyboard.press("Enter")
    expect(page.locator(".words")).to_contain_text("Ada Lovelace")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Delete thread").click()
    expect(button(page, "Talks and tenants")).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(button(page, "Talks and tenants")).to_be_visible()


TICKS: list[tuple[list[tuple[str, bool]], list[str]]] = [
    ([("a", False), ("a/b/1.md", True)], ["source!=a/3.md", "source!=a/b/2.md"]),
    ([("a/b/1.md", False), ("a", False)], ["source!=a"]),
    ([("a", False), ("c.md", False)], []),
    ([("a", False), ("c.md", False), ("a/b", True)], ["source=a/b"]),
    (
        [("a", False), ("c.md", False), ("a/b", True), ("a/b/1.md", False)],
        ["source!=a/b/1.md", "source=a/b"],
    ),
    ([("c.md", False), ("a/b/2.md", False), ("a", True)], ["source!=c.md"]),
]
"""Ticks in the folder a with b (1.md and 2.md) and 3.md, and beside it c.md; their conditions."""


def test_only_ticked_sources_are_asked(watched: Watched) -> None:
    page = watched.page
    open_sources(page)
    page.get_by_label("Ask oman").uncheck()
    expect(page.locator("#chosen")).to_contain_text("without oman.txt")
    assert page.evaluate("conditions()") == ["source!=uploads/oman.txt"]
    folder = page.get_by_label("Ask the folder uploads")
    assert folder.evaluate("box => box.indeterminate")
    ask(page, BURNS)
    expect(last(page).locator(".words")).not_to_contain_text("William Burns")
    page.get_by_role("button", name="Ask all").click()
    assert page.evaluate("conditions()") == []
    folder.uncheck()
    expect(page.locator("#chosen")).to_contain_text("No document is ticked")
    page.get_by_label("Ask oman").check()
    assert page.evaluate("conditions()") == ["source=uploads/oman.txt"]
    page.get_by_role("button", name="Tick all").click()
    page.get_by_role("button", name="oman oman.txt").click()
    page.locator("#side").get_by_role("button", name="Ask only this").click()
    expect(page.locator("#chosen")).to_contain_text("only oman.txt")
    ask(page, "Who is the tenant?")
    expect(last(page).locator(".words")).not_to_contain_text("Ada Lovelace")

    tree = {"": (["a"], ["c.md"]), "a": (["b"], ["a/3.md"]), "a/b": ([], ["a/b/1.md", "a/b/2.md"])}

    def fulfill(route: Route) -> None:
        folders, ids = tree[parse_qs(urlsplit(route.request.url).query).get("folder", [""])[0]]
        page_of: dict[str, Any] = {"matching": len(ids), "total": 4, "types": []}
        page_of["folders"] = [{"name": name, "count": 1} for name in folders]
        page_of["documents"] = [{"id": name, "title": name} for name in ids]
        route.fulfill(json=page_of)

    page.route("**/v1/sources?*", fulfill)
    for ticks, conditions in TICKS:
        page.goto("/")
        page.reload()
        expect(page.locator("#document-count")).to_have_text("4")
        for path, on in ticks:
            page.evaluate("([path, on]) => tick(path, on)", [path, on])
        assert sorted(page.evaluate("tickedConditions()")) == conditions


def test_a_thread_outlives_a_reload_before_the_service_has_it(watched: Watched) -> None:
    page = watched.page
    waiting: list[Route] = []
    page.route("**/v1/threads/*", lambda route: waiting.append(route))
    ask(page, BURNS)
    expect(last(page).locator(".words")).to_contain_text("William Burns")
    page.unroute("**/v1/threads/*")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response(lambda response: keeps_turns(response, 1)):
        page.reload()
    expect(last(page).locator(".words")).to_contain_text("William Burns")
    assert [route.request.method for route in waiting] == ["PUT"]
    assert not [url for url in asked if url.endswith("/v1/ask")], "the question is asked again"
    page.reload()
    expect(last(page).locator(".words")).to_contain_text("William Burns")
    assert page.evaluate("Object.keys(sessionStorage)") == []


def test_the_guide_offers_questions_that_have_an_answer(browser: Browser, tmp_path: Path) -> None:
    question = "Who led the talks in the city of Muscat?"
    sentence = "The talks in the city of Muscat were led by William Burns."
    with serving(tmp_path) as client:
        put_text(client, "oman.md", f"# Oman\n\n## {question}\n\n{sentence}")
        with visit(browser, client) as watched:
            page = watched.page
            expect(page.locator("#guide")).to_contain_text("1 document: 1 Markdown")
            page.locator("#guide").get_by_role("button", name=question).click()
            expect(page.locator(".words")).to_contain_text("Burns")
            expect(page.locator("#guide")).to_be_hidden()
        guide = client.get("/v1/guide").json()
        assert (guide["types"], guide["complete"]) == ([{"name": "md", "count": 1}], True)
        assert guide["questions"] == [question]


def test_counts_follow_a_deletion_in_every_tab(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        for name in ("oman.md", "muscat.md"):
            put_text(client, name, f"# {name}\n\nThe talks of {name} were long.\n")
        with visit(browser, client) as watched:
            page, second_tab = watched.page, watched.open()
            second_tab.goto("/")
            for tab in (page, second_tab):
                expect(tab.locator("#document-count")).to_have_text("2")
                expect(tab.locator("#guide")).to_contain_text("2 documents")
            open_sources(page)
            button(page, "Delete oman.md").click()
            expect(page.locator("#document-count")).to_have_text("1")
            expect(page.locator("#guide")).to_contain_text("1 document: 1 Markdown")
            expect(second_tab.locator("#document-count")).to_have_text("1")
            expect(second_tab.locator("#guide")).to_contain_text("1 document: 1 Markdown")


def test_counts_follow_what_others_add_while_one_looks(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as client, visit(browser, client) as watched:
        expect(watched.page.locator("#welcome")).to_be_visible()
        put_text(client, "oman.md", "# Oman\n\nThe talks of Oman were long.\n")
        expect(watched.page.locator("#document-count")).to_have_text("1")
        expect(watched.page.locator("#guide")).to_contain_text("1 document: 1 Markdown file")
        expect(watched.page.locator("#welcome")).to_be_hidden()


def test_only_what_may_pass_can_be_tried_again(browser: Browser, tmp_path: Path) -> None:
    broken = {"name": "broken.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 no"}
    readable = {"name": "fine.txt", "mimeType": "text/plain", "buffer": b"The talks were long."}
    refused = {"status": 503, "json": {"detail": "too busy", "status": 503}}
    with serving(tmp_path) as client, visit(browser, client, expected="422|503") as watched:
        page = watched.page
        open_sources(page)
        page.locator("#sources input[type=file]").first.set_input_files([cast(Any, broken)])
        expect(page.locator(".upload.failed")).to_contain_text("broken.pdf")
        expect(page.get_by_role("button", name=re.compile("^Retry"))).to_have_count(0)
        page.route("**/v1/documents", lambda route: route.fulfill(**refused))
        page.locator("#sources input[type=file]").first.set_input_files([cast(Any, readable)])
        expect(button(page, "Retry fine.txt")).to_be_visible()
        page.unroute("**/v1/documents")
        button(page, "Retry fine.txt").click()
        expect(page.locator(".upload").first).to_contain_text("fine.txt: added")


READABLE = """() => {
  const colours = [...document.querySelectorAll('.problem button')].map(getComputedStyle);
  const light = colour => colour.match(/\\d+/g).slice(0, 3).map(part => part / 255)
    .map(part => part <= .03928 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4)
    .reduce((sum, part, i) => sum + part * [.2126, .7152, .0722][i], 0);
  return colours.map(one => [light(one.color), light(one.backgroundColor)].sort((a, b) => b - a))
    .map(([more, less]) => (more + .05) / (less + .05));
}"""
"""The contrast of words and ground of each button of an error, as WCAG 2 defines it."""


def test_the_error_of_an_empty_index_is_readable(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as client, visit(browser, client, expected="409") as watched:
        page = watched.page
        ask(page, BURNS)
        expect(button(page, "Add documents").last).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=cast(Any, scheme))
            (contrast,) = page.evaluate(READABLE)
            assert contrast >= 4.5


def test_an_answer_can_be_stopped(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, SlowReader(2)) as client:
        put_text(client, "oman.txt", OMAN)
        with visit(browser, client) as watched:
            page = watched.page
            ask(page, BURNS)
            expect(page.get_by_role("heading", name="Passages found")).to_be_visible()
            button(page, "Stop").click()
            expect(last(page)).to_contain_text("Stopped")
            last(page).get_by_role("button", name="Ask again", exact=True).click()
            expect(last(page).locator(".words")).to_contain_text("William Burns")


ANSWER: dict[str, Any] = {
    "question": "?",
    "confidence": 0.8,
    "abstention_reason": None,
    "explain": [],
    "nearest": [],
    "passages_read": 1,
    "passages_found": 1,
    "more": 0,
    "value": None,
    "documents": 1,
}
SHOW = """answers => { document.body.classList.add('asked'); $('thread').hidden = false;
    $('thread').replaceChildren(...answers.flatMap(one => renderAnswer(one, () => {})));
    document.querySelectorAll('details').forEach(one => { one.open = true; }); }"""


def answered(form: str, text: str, pieces: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """An answer that no small model gives."""
    quotes = [piece["citation"] for piece in pieces]
    shape = {"form": form, "answer": text, "pieces": pieces, "citations": quotes}
    return {**ANSWER, "conflicts": [], "alternatives": [], **shape, **fields}


def cited(number: int, text: str, document: str = "a.md", start: int = 0) -> dict[str, Any]:
    place = {"start_char_index": start, "end_char_index": start + len(text)}
    names = {"index": number, "document_id": document, "title": "A", "headings": [], "page": None}
    return {**names, "cited_text": text, **place, "highlight": {"text": text, **place}}


def pieces(*texts: str, **fields: Any) -> list[dict[str, Any]]:
    blank = {"gap": False, "heading": False, "label": ""}
    return [
        {"text": text, "citation": cited(n, text), **blank}
        | {name: values[n - 1] for name, values in fields.items()}
        for n, text in enumerate(texts, 1)
    ]


FORMS: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("yes_no", "Yes. Dogs may come.", pieces("Dogs may come.")),
    ("yes_no", "On a condition. Dogs may come.", pieces("Dogs may come.")),
    ("sentences", "It fell. It broke.", pieces("It fell.", "It broke.", gap=(False, True))),
    ("steps", "1. Open\n2. Close", pieces("1. Open", "2. Close")),
    ("list", "- roof\n- lift", pieces("- roof", "- lift")),
    ("comparison", "£5\n£6", pieces("£5", "£6", label=("Old", "New"))),
    ("overview", "Parts\nOne.", pieces("Parts", "One.", heading=(True, False))),
    ("catalogue", "2 documents\nA\nB", pieces("A", "B", label=("A", "B"))),
]
SHOWN = {
    "yes_no": (".words, .piece", ["Yes.", "Dogs may come.1"]),
    "sentences": (".piece", ["It fell.1", "[…] It broke.2"]),
    "steps": (".steps li", ["1. Open1", "2. Close2"]),
    "list": (".items li", ["roof1", "lift2"]),
    "comparison": (".a-side h3", ["Old", "New"]),
    "overview": (".piece.head", ["Parts1"]),
    "catalogue": (".small-words", ["2 documents"]),
}
PRICES = "| Room | Day (£) |\n|---|---|\n| Small | 70 |\n| Large | 160 |\n"
STOCK = "- one\n- two\n  1. inner 🐟\n\n| Item | EUR |\n|---|---|\n| M4 \\| M5: steel | 7 |\n"


def test_every_form_and_structure_is_rendered(watched: Watched, client: httpx.Client) -> None:
    page = watched.page
    rival: dict[str, Any] = {"text": "£1,300", "confidence": 0.7, "documents": 2}
    rival["citations"] = [cited(2, "The rent is £1,300.")]
    rivals: dict[str, Any] = {"conflicts": [rival], "alternatives": [rival], "explain": ["So."]}
    for form, text, parts in FORMS:
        page.evaluate(SHOW, [answered(form, text, parts)])
        selector, expected = SHOWN[form]
        if text.startswith("On a condition."):
            expected = ["On a condition.", *expected[1:]]
        assert page.locator(f"#thread {selector}").all_text_contents() == expected
    page.evaluate(SHOW, [answered(*form, **rivals) for form in FORMS])
    watched.audit("every form")
    put_text(client, "prices.md", PRICES)
    put_text(client, "stock.md", STOCK)
    text = client.get("/v1/documents/uploads/prices.md/text").text
    rows = [line for line in text.splitlines() if "7" in line or "16" in line]
    parts = pieces(*rows)
    for number, row in enumerate(rows, 1):
        parts[number - 1]["citation"] = cited(number, row, "uploads/prices.md", text.index(row))
    page.evaluate(SHOW, [answered("list", "\n".join(rows), parts)])
    expect(page.locator(".answer th")).to_have_text(["Room", "Day (£)"])
    expect(page.locator(".answer tbody tr")).to_have_text(["Small701", "Large1602"])
    page.evaluate("openCitation({document_id: 'uploads/stock.md', title: 'Stock'})")
    view = page.locator(".document")
    expect(view.locator("th")).to_have_text(["Item", "EUR"])
    expect(view.locator("td")).to_have_text(["M4 | M5: steel", "7"])
    expect(view.locator("li li")).to_have_text("1.inner 🐟")
    watched.audit("Markdown")
    for name in ("prices", "stock"):
        client.delete(f"/v1/documents/uploads/{name}.md").raise_for_status()


ARCHITECT = "Who was the architect of the pavilion?"


@pytest.fixture(scope="module")
def pdf_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of docs/plan.pdf, whose second page has the answer to ARCHITECT."""
    lease_page = column(["The lease was signed in Wexcombe.", "Nothing else happened."], 72, 700)
    architect_page = column(["The architect of the pavilion was", "William Fairweather."], 72, 600)
    content = pdf([lease_page, architect_page], Title="The plan")
    return index_of(tmp_path_factory.mktemp("pdf"), "plan.pdf", content)


def test_a_citation_of_a_pdf_is_boxed_on_its_page(browser: Browser, pdf_index: Path) -> None:
    with serving(pdf_index) as client, visit(browser, client) as watched:
        page = watched.page
        ask(page, ARCHITECT)
        expect(page.locator(".words")).to_contain_text("William Fairweather")
        page.get_by_role("button", name="Open citation 1").click()
        expect(page.locator(".box-on-page")).to_have_count(1)
        expect(page.get_by_text("Page 2 of 2")).to_be_visible()
        (rectangle,) = by_pdfium(pdf_index.parent / "docs/plan.pdf", "William Fairweather", page=2)
        placed = page.evaluate(
            "() => { const [box, sheet] = ['.box-on-page', '.sheet img'].map(one =>"
            " document.querySelector(one).getBoundingClientRect());"
            " return [(box.left - sheet.left) / sheet.width, (box.top - sheet.top) / sheet.height,"
            " (box.right - sheet.left) / sheet.width, (box.bottom - sheet.top) / sheet.height]; }"
        )
        assert_lies_on([placed], [rectangle])
        watched.audit("PDF page")
        page.get_by_role("group", name="Show as").get_by_role("button", name="Text").click()
        expect(page.locator(".document mark")).to_have_text("William Fairweather")


HOSTILE = f"""# {EVIL}

<script>alert(1)</script></script><svg onload=alert(3)></textarea></title>
<iframe srcdoc="<script>alert(4)</script>"></iframe>{{{{7*7}}}}${{alert(5)}}

## {EVIL} one

The villain of {EVIL} is Mallory. <b onmouseover=alert()>bold</b>

## {EVIL} two

| {EVIL} | Price |
|---|---|
| {EVIL} | £70 |

## {EVIL} three

- {EVIL}

    x = "{EVIL}"; y = ["{EVIL}"]
"""
RAW = """<script>alert(1)</script><img src=x onerror=alert(2)></script><svg onload=alert(3)>
</textarea></title><iframe srcdoc="<script>alert(4)</script>"></iframe>{{7*7}}${alert(5)}

The villain is Mallory <b onmouseover=alert()>bold</b>.

\u202eEvil \u2066override\u2069 javascript:alert(7)."""
TAGS = ".document :is(script, img, iframe, svg, b)"


def test_markup_in_a_text_file_is_shown_as_it_is(watched: Watched, client: httpx.Client) -> None:
    page = watched.page
    put_text(client, "raw.txt", RAW)
    page.goto("/")
    ask(page, "Who is the villain?")
    expect(page.locator(".words")).to_contain_text("Mallory")
    open_citation(page, "Mallory")
    text = " ".join((page.locator(".document").text_content() or "").split())
    assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in text
    assert "\ufffdEvil \ufffdoverride\ufffd javascript:alert(7)" in text
    assert page.locator(TAGS).count() == 0
    page.wait_for_timeout(300)
    client.delete("/v1/documents/uploads/raw.txt").raise_for_status()


def test_hostile_text_stays_text_everywhere(
    watched: Watched, client: httpx.Client, tmp_path: Path
) -> None:
    page = watched.page
    broken = tmp_path / "<img src=x onerror=alert(1)>.pdf"
    broken.write_bytes(b"%PDF-1.4 nothing")
    form = {"file": ("<img src=x onerror=alert(8)>.md", HOSTILE.encode())}
    folder = {"folder": "<svg onload=alert(7)>"}
    client.post("/v1/documents", params=folder, files=form).raise_for_status()
    (evil,) = [name for name in documents(client) if "<" in name]
    try:
        page.goto("/")
        ask(page, f"Who is the villain of {EVIL}?")
        expect(page.locator(".words")).to_contain_text("Mallory")
        open_citation(page, "Mallory")
        assert page.locator(TAGS).count() == 0
        page.locator(".outline summary").click()
        expect(page.locator(".document td").first).to_contain_text("txt")
        page.get_by_text("More", exact=True).click()
        page.get_by_role("button", name="Rename").click()
        page.get_by_label("Name of the thread").fill(EVIL)
        page.keyboard.press("Tab")
        open_sources(page)
        page.get_by_role("button", name=re.compile("^Folder .*svg")).click()
        expect(page.locator("[data-document]")).to_have_count(3)
        page.get_by_text("Types", exact=True).click()
        page.get_by_label(re.compile("^txt")).uncheck()
        page.locator("#file").set_input_files(broken)
        expect(page.locator(".upload.failed")).to_contain_text("<img src=x")
        button(page, "Search").click()
        ask(page, f"villain {EVIL}")
        expect(page.locator("#found .card").first).to_contain_text("Mallory")
        watched.audit("search")
        button(page, "Check").first.click()
        lie = "It says “The talks were not led by William Burns” and “so said nobody in here”."
        page.locator("#claims").fill(f"The villain of {EVIL} is Mallory. {EVIL} is good. {lie}")
        page.locator("#check").get_by_role("button", name="Check", exact=True).click()
        expect(page.locator(".tally")).to_be_visible()
        watched.audit("check")
        page.get_by_role("link", name="rag, new thread").click()
        expect(page.locator("#recent-list")).to_contain_text("<img src=x")
        elements = "img[src=x], svg:not(.icon), iframe, body script ~ script"
        assert page.locator(elements).count() == 0
        assert "\u202e" not in page.locator("body").inner_text()
        page.wait_for_timeout(300)
    finally:
        client.delete("/v1/documents/" + quote(evil)).raise_for_status()


@pytest.mark.parametrize("width", [1280, 390])
def test_a_file_is_checked_and_saved_as_a_marked_copy(
    browser: Browser, client: httpx.Client, width: int, tmp_path: Path
) -> None:
    brief = tmp_path / "brief.html"
    brief.write_text("<p>It says ‘the talks were not led by William Burns’.</p>", encoding="utf-8")
    with visit(browser, client, width) as watched:
        page = watched.page
        button(page, "Check").first.click()
        page.get_by_label("or a file").set_input_files(str(brief))
        page.get_by_label("quotations only").check()
        page.locator("#check").get_by_role("button", name="Check", exact=True).click()
        expect(page.locator(".tally")).to_have_text(re.compile("^1 quotation: 1 "))
        watched.audit("check a file")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        with page.expect_download() as saved:
            button(page, "Save a marked copy").click()
        marked = saved.value.path().read_text(encoding="utf-8")
        assert '<q class="fault">the talks were not led by William Burns</q>' in marked


@pytest.mark.parametrize("width", [1280, 390])
def test_the_keyboard_is_enough(browser: Browser, client: httpx.Client, width: int) -> None:
    with visit(browser, client, width) as watched:
        page = watched.page
        expect(page.locator("#question")).to_be_focused()
        page.keyboard.type(BURNS)
        page.keyboard.press("Enter")
        expect(page.locator(".words")).to_contain_text("William Burns")
        page.keyboard.press("Tab")
        page.keyboard.press("1")
        expect(page.locator("#side h2")).to_be_focused()
        expect(page.locator(".document mark")).to_have_text("William Burns")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Open citation 1")).to_be_focused()
        page.keyboard.press("d")
        expect(page.get_by_role("list", name="Documents")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator("#show-sources")).to_be_focused()
        page.keyboard.press("/")
        expect(page.locator("#question")).to_be_focused()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        unnamed = page.locator("button, input, textarea").evaluate_all(
            "all => all.filter(one => !one.hidden && !(one.textContent.trim() || one.ariaLabel || "
            "one.labels?.length)).length"
        )
        assert unnamed == 0
        if width == 1280:
            page.evaluate("$('help').showModal()")
            watched.audit("help")
            return
        page.get_by_role("button", name="Open citation 1").click()
        expect(page.get_by_role("dialog", name="oman")).to_be_visible()
        for _ in range(12):
            page.keyboard.press("Tab")
            assert page.evaluate(
                "document.activeElement === document.body || "
                "!!document.activeElement.closest('#side')"
            )
        page.go_back()
        expect(page.locator("#side")).to_be_hidden()
        expect(page.locator(".words")).to_contain_text("William Burns")


def test_one_visit_with_the_token_signs_the_browser_in(browser: Browser, tmp_path: Path) -> None:
    token = "of-this-index-and-no-other-one-x"
    with serving(tmp_path, token=token) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        put_text(client, "oman.txt", OMAN)
        with visit(browser, client, path=f"/#token={token}&q={quote(BURNS)}") as watched:
            page = watched.page
            expect(page.locator(".words")).to_contain_text("William Burns")
            assert token not in page.url
            script = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
            assert token not in page.evaluate(script)
            (cookie,) = watched.context.cookies()
            assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
            page.get_by_role("button", name="Open citation 1").click()
            copied = page.evaluate("linkToPlace(thread.turns[0].answer.citations[0])")
            tab = watched.open()  # nothing of the first tab's session
            tab.goto(copied)
            expect(tab.locator("#side mark")).to_have_text("William Burns")
        with visit(browser, client, expected="401", path="/#token=of-an-older-time") as stranger:
            page = stranger.page
            expect(page.locator("#key-title")).to_contain_text("This address is old")
            expect(page.locator("#key-hint")).to_contain_text("rag serve printed")
            page.get_by_label("Address, token").fill(f"{client.base_url}/#token={token}")
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("#document-count")).to_have_text("1")


def test_a_key_is_requested_and_problems_are_shown(browser: Browser, tmp_path: Path) -> None:
    token = add_key(tmp_path)
    with (
        serving(tmp_path, key=token) as client,
        visit(browser, client, expected="401|409") as watched,
    ):
        page = watched.page
        for value in ("wrong", token):
            page.get_by_label("Address, token or API key").fill(value)
            page.get_by_role("button", name="Sign in").click()
            if value == "wrong":
                expect(page.locator("#key-title")).to_contain_text("wrong or revoked")
                watched.audit("sign-in")
        expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
        watched.audit("empty, read-only")
        page.get_by_role("button", name="read (read only)").click()
        watched.audit("account")
        page.keyboard.press("Escape")
        expect(page.locator("#welcome-add")).to_be_hidden()
        ask(page, "Anyone there?")
        expect(page.get_by_role("alert")).to_contain_text("The index is empty")


def test_the_printed_address_lets_a_person_in_to_the_shipped_models(
    browser: Browser, tmp_path: Path
) -> None:
    with process(tmp_path, False, True, XDG_STATE_HOME=f"{tmp_path}/state") as (_, client):
        with with_key(client) as stranger:
            assert stranger.get("/v1/jobs/x").status_code == 401
        assert client.get("/v1/jobs/x").status_code == 404
        token = client.headers["Authorization"].removeprefix("Bearer ")
        with visit(browser, client, path=f"/#token={token}") as watched:
            page = watched.page
            page.get_by_role("button", name="Add documents").click()
            seed = ROOT / "seeds" / "what-people-ask-about-the-deal.md"
            page.locator("#file").set_input_files(seed)
            expect(page.locator("#uploads")).to_contain_text("added", timeout=60_000)
            ask(page, "When was the JCPOA signed?")
            expect(page.locator(".words")).to_contain_text("2015")
            open_citation(page, re.compile("2015"))
            ask(page, "What is the capital of Mongolia?")
            expect(last(page).locator(".words")).to_have_text("Not found")


def test_the_page_runs_nothing_but_its_own_script(browser: Browser, client: httpx.Client) -> None:
    context = browser.new_context(base_url=str(client.base_url))
    page = context.new_page()
    page.goto("/")
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    refused = page.evaluate(
        "new Promise(done => { document.addEventListener('securitypolicyviolation', event => "
        "done(event.effectiveDirective));"
        " const script = document.createElement('script');"
        " try { script.text = 'document.title = 1'; } catch { done('types'); }"
        " document.head.append(script); })"
    )
    assert refused in ("script-src-elem", "require-trusted-types-for", "types")
    expect(page).to_have_title("rag")
    context.close()


def test_the_page_is_complete_and_names_no_other_host() -> None:
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", static.HTML)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", static.HTML)
    assert "innerHTML" not in static.SCRIPT
    assert "unsafe" not in static.POLICY
    assert len(static.HTML.encode()) < 190_000
    folder = Path(static.__file__).parent
    assert set(SCRIPTS) == {path.name for path in folder.glob("*.js")}
