"""The page in a real browser, with fake models, and once with the shipped ones."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, Route, expect

from rag.ingestion.ingest import Ingest
from rag.parsing.files import find
from rag.server.api_keys import keys_of
from rag.server.static import PAGE, SCRIPTS
from rag.settings import Settings
from tests.parsing.pdfs import Put, pdf
from tests.server.conftest import OMAN
from tests.server.fake_server import ROOT, SlowReader, open_backend, process, put_text, serving
from tests.server.test_pdf_pages import assert_lies_on, by_pdfium

pytestmark = pytest.mark.slow
expect.set_options(timeout=30_000)  # long, for busy machines
BURNS = "Who led the talks?"


class Watched:
    """A page that records errors, dialogs, and requests to other hosts."""

    def __init__(
        self, browser: Browser, client: httpx.Client, width: int = 1280, zoom: int = 1
    ) -> None:
        """`zoom` is like Ctrl +: fewer and larger pixels in the same window."""
        self.context = browser.new_context(
            base_url=str(client.base_url),
            viewport={"width": width // zoom, "height": 800 // zoom},
            device_scale_factor=zoom,
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(15_000)
        self.noted: list[str] = []
        self.page.on(
            "console",
            lambda message: self.noted.append(message.text) if message.type == "error" else None,
        )
        self.page.on("pageerror", lambda error: self.noted.append(str(error)))
        self.page.on("dialog", self._dialog)
        own = str(client.base_url).rstrip("/")
        self.page.on(
            "request",
            lambda r: (
                None
                if r.url.startswith((own, "data:", f"blob:{own}"))
                else self.noted.append(r.url)
            ),
        )

    def _dialog(self, dialog: Dialog) -> None:
        self.noted.append(dialog.message)
        dialog.dismiss()


@pytest.fixture
def watched(browser: Browser, client: httpx.Client) -> Iterator[Watched]:
    made = Watched(browser, client)
    before = documents(client)
    yield made
    made.context.close()
    assert made.noted == []
    assert documents(client) == before, "the next test finds other documents"


def documents(client: httpx.Client) -> set[str]:
    return {one["id"] for one in client.get("/v1/documents").json()["documents"]}


def ask(page: Page, question: str) -> None:
    page.locator("#question").fill(question)
    page.keyboard.press("Enter")


def last(page: Page) -> Locator:
    """The latest turn of the thread."""
    return page.locator(".turn").last


def open_sources(page: Page) -> None:
    page.get_by_role("button", name=re.compile(r"^Sources")).click()
    expect(page.get_by_role("list", name="Documents")).to_be_visible()


def test_asking_and_opening_a_citation_shows_exactly_what_is_cited(
    watched: Watched, client: httpx.Client
) -> None:
    page = watched.page
    page.goto("/")
    ask(page, BURNS)
    expect(page.locator(".words")).to_contain_text("William Burns")
    expect(page.locator(".answer .inside mark")).to_have_text("William Burns")
    expect(page.get_by_role("status")).to_contain_text("1 citation")
    page.get_by_role("button", name="Open citation 1").click()
    document = page.get_by_role("region", name="Text of oman")
    expect(document.locator("mark")).to_have_text("William Burns")
    citation = client.post("/v1/ask", json={"question": BURNS}).json()["citations"][0]
    assert "".join(document.locator(".sentence").all_text_contents()) == citation["cited_text"]
    assert document.locator(".document").text_content() == OMAN
    before = document.locator(".document").evaluate(
        "view => { const range = document.createRange(); range.selectNodeContents(view);"
        " range.setEndBefore(view.querySelector('mark')); return "
        "Array.from(range.toString()).length; }"
    )
    assert before == citation["highlight"]["start_char_index"]
    expect(document.locator("mark")).to_be_in_viewport()


def test_upload_ask_delete_undo_ask_again(
    watched: Watched, client: httpx.Client, tmp_path: Path
) -> None:
    page = watched.page
    (tmp_path / "cat.md").write_text("# The cat\n\nThe cat is called Minka.")
    page.goto("/")
    open_sources(page)
    page.locator("#file").set_input_files(tmp_path / "cat.md")
    expect(page.locator("#uploads")).to_contain_text("cat.md: added")
    expect(page.locator("#document-count")).to_have_text("3")
    ask(page, "What is the cat called?")
    expect(last(page).locator(".words")).to_contain_text("Minka")
    page.get_by_label("Find documents by name").fill("the cat")
    expect(page.locator("[data-document]")).to_have_count(1)
    delete = page.get_by_role("button", name="Delete The cat")
    delete.click()
    expect(page.locator("#document-count")).to_have_text("2")
    expect(page.get_by_text("0 documents of 2")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#document-count")).to_have_text("3")
    assert "uploads/cat.md" in documents(client)
    delete.click()
    ask(page, "Minka purrs?")  # a question is not answered from what is deleted
    expect(last(page).locator(".words")).to_have_text("Not found")
    expect(last(page).get_by_role("heading", name="Closest passages")).to_be_visible()
    assert "uploads/cat.md" not in documents(client)
    page.goto("/")
    page.get_by_role("button", name="What is the cat called?", exact=True).click()
    expect(page.locator(".turn").first).to_contain_text("was deleted")


def test_leaving_the_page_completes_a_deletion(watched: Watched, client: httpx.Client) -> None:
    put_text(client, "soon-gone.txt", "The safe is in Oslo.")
    page = watched.page
    page.goto("/")
    open_sources(page)
    page.get_by_label("Find documents by name").fill("gone")
    page.get_by_role("button", name="Delete soon-gone").click()
    page.goto("about:blank")
    until = time.monotonic() + 20
    while "uploads/soon-gone.txt" in documents(client) and time.monotonic() < until:
        time.sleep(0.1)
    assert "uploads/soon-gone.txt" not in documents(client)


def test_threads_are_kept_named_found_and_deleted(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    ask(page, BURNS)
    expect(last(page).locator(".words")).to_contain_text("William Burns")
    ask(page, "Who is the tenant?")
    expect(last(page).locator(".words")).to_contain_text("Ada Lovelace")
    expect(page.locator(".turn")).to_have_count(2)
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Name of the thread").fill("Talks and tenants")
    with page.expect_response(lambda response: "/v1/threads/" in response.url):
        page.keyboard.press("Tab")
    page.evaluate("localStorage.clear()")  # the service has them, not the browser
    page.goto("/")
    page.get_by_role("button", name="Talks and tenants", exact=True).click()
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
    page.get_by_label("Edit the question", exact=True).fill("Who is the tenant?")
    page.keyboard.press("Enter")
    expect(page.locator(".words")).to_contain_text("Ada Lovelace")
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Delete thread").click()
    gone = page.get_by_role("button", name="Talks and tenants", exact=True)
    expect(gone).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(gone).to_be_visible()


def test_only_ticked_sources_are_asked(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
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


@pytest.mark.parametrize(
    ("ticks", "conditions"),
    [
        ([("a", False), ("a/b/1.md", True)], ["source!=a/3.md", "source!=a/b/2.md"]),
        ([("a/b/1.md", False), ("a", False)], ["source!=a"]),
        ([("a", False), ("c.md", False)], []),
        ([("a", False), ("c.md", False), ("a/b", True)], ["source=a/b"]),
        (
            [("a", False), ("c.md", False), ("a/b", True), ("a/b/1.md", False)],
            ["source=a/b", "source!=a/b/1.md"],
        ),
        ([("c.md", False), ("a/b/2.md", False), ("a", True)], ["source!=c.md"]),
    ],
)
def test_ticks_become_conditions(
    watched: Watched, ticks: list[tuple[str, bool]], conditions: list[str]
) -> None:
    """In the folder a with b (1.md and 2.md) and 3.md, and beside it c.md."""
    tree = {"": (["a"], ["c.md"]), "a": (["b"], ["a/3.md"]), "a/b": ([], ["a/b/1.md", "a/b/2.md"])}

    def fulfill(route: Route) -> None:
        folders, ids = tree[parse_qs(urlsplit(route.request.url).query).get("folder", [""])[0]]
        found = {"matching": len(ids), "total": 4, "types": []}
        found |= {"folders": [{"name": name, "count": 1} for name in folders]}
        route.fulfill(json={**found, "documents": [{"id": one, "title": one} for one in ids]})

    page = watched.page
    page.route("**/v1/sources?*", fulfill)
    page.goto("/")
    expect(page.locator("#document-count")).to_have_text("4")
    for path, on in ticks:
        page.evaluate("([path, on]) => tick(path, on)", [path, on])
    assert sorted(page.evaluate("tickedConditions()")) == sorted(conditions)


def test_the_guide_offers_questions_that_have_an_answer(browser: Browser, tmp_path: Path) -> None:
    question = "Who led the talks in the city of Muscat?"
    sentence = "The talks in the city of Muscat were led by William Burns."
    with serving(tmp_path) as client:
        put_text(client, "oman.md", f"# Oman\n\n## {question}\n\n{sentence}")
        watched = Watched(browser, client)
        page = watched.page
        page.goto("/")
        expect(page.locator("#guide")).to_contain_text("1 document: Oman")
        page.locator("#guide").get_by_role("button", name=question).click()
        expect(page.locator(".words")).to_contain_text("Burns")
        expect(page.locator("#guide")).to_be_hidden()
        asked = client.get("/v1/guide").json()
        assert (asked["titles"], asked["complete"]) == (["Oman"], True)
        assert question in asked["questions"]
        for one in asked["questions"]:
            answer = client.post("/v1/ask", json={"question": one, "top_k": 3}).json()
            assert answer["confidence"] >= 0.8
        watched.context.close()
        assert watched.noted == []


def test_a_citation_is_previewed(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    ask(page, BURNS)
    reference = page.get_by_role("button", name="Open citation 1")
    reference.hover()
    preview = page.get_by_role("tooltip")
    expect(preview.locator("mark")).to_have_text("William Burns")
    page.keyboard.press("Escape")
    expect(preview).to_be_hidden()
    reference.focus()
    expect(preview).to_be_visible()
    size = reference.bounding_box()
    assert size is not None
    assert min(size["width"], size["height"]) >= 24


def test_rows_are_shown_as_a_table_with_units(watched: Watched, client: httpx.Client) -> None:
    page = watched.page
    put_text(
        client, "prices.md", "| Room | Day (£) |\n|---|---|\n| Small | 70 |\n| Large | 160 |\n"
    )
    try:
        text = client.get("/v1/documents/uploads/prices.md/text").text
        rows = [line for line in text.splitlines() if "7" in line or "16" in line]
        cites = []
        for number, row in enumerate(rows, 1):
            start = text.index(row)
            place = {"start_char_index": start, "end_char_index": start + len(row)}
            cite = {**cited(number, row), "document_id": "uploads/prices.md", **place}
            cites.append({**cite, "highlight": {"text": row, **place}})
        made = [
            {**piece, "citation": cite} for piece, cite in zip(pieces(*rows), cites, strict=True)
        ]
        given = {**ANSWER, "form": "list", "answer": "\n".join(rows), "pieces": made}
        page.goto("/")
        page.evaluate(
            "given => { $('thread').hidden = false;"
            " $('thread').replaceChildren(...renderAnswer(given, () => {})); }",
            {**given, "citations": cites},
        )
        expect(page.locator(".answer th")).to_have_text(["Room", "Day (£)"])
        expect(page.locator(".answer tbody tr")).to_have_text(["Small701", "Large1602"])
    finally:
        client.delete("/v1/documents/uploads/prices.md").raise_for_status()


def test_a_collection_is_created(watched: Watched, client: httpx.Client) -> None:
    page = watched.page
    page.goto("/")
    open_sources(page)
    page.get_by_role("button", name="New collection").click()
    page.get_by_label("Name", exact=True).fill("no/slashes")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#new-wrong")).not_to_be_empty()
    page.get_by_label("Name", exact=True).fill("recipes")
    page.get_by_role("button", name="Create").click()
    expect(page.locator("#collection")).to_have_value("recipes")
    expect(page.locator("#document-count")).to_have_text("0")
    client.delete("/v1/collections/recipes").raise_for_status()
    watched.noted[:] = [line for line in watched.noted if "422" not in line]


def test_an_answer_can_be_stopped(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, SlowReader(2)) as client:
        put_text(client, "oman.txt", OMAN)
        watched = Watched(browser, client)
        page = watched.page
        page.goto("/")
        ask(page, BURNS)
        expect(page.get_by_role("heading", name="Passages found")).to_be_visible()
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(last(page)).to_contain_text("Stopped")
        last(page).get_by_role("button", name="Ask again", exact=True).click()
        expect(last(page).locator(".words")).to_contain_text("William Burns", timeout=30_000)
        watched.context.close()
        assert watched.noted == []


def test_a_phone_shows_panes_as_dialogs_that_back_closes(
    browser: Browser, client: httpx.Client
) -> None:
    watched = Watched(browser, client, 390)
    page = watched.page
    page.goto("/")
    ask(page, BURNS)
    page.get_by_role("button", name="Open citation 1").click()
    expect(page.get_by_role("dialog", name="oman")).to_be_visible()
    expect(page.locator(".document mark")).to_have_text("William Burns")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('#side')"
        )
    page.go_back()
    expect(page.locator("#side")).to_be_hidden()
    expect(page.locator(".words")).to_contain_text("William Burns")
    watched.context.close()
    assert watched.noted == []


ANSWER = {
    "question": "?",
    "confidence": 0.8,
    "abstention_reason": None,
    "citations": [],
    "alternatives": [],
    "explain": [],
    "nearest": [],
    "passages_read": 1,
    "passages_found": 1,
    "more": 0,
    "value": None,
    "documents": 1,
}


def cited(number: int, text: str) -> dict[str, Any]:
    place = {"start_char_index": 0, "end_char_index": len(text)}
    highlight = {"text": text, **place}
    return {
        "index": number,
        "document_id": "a.md",
        "title": "A",
        "headings": [],
        "page": None,
        "cited_text": text,
        **place,
        "highlight": highlight,
    }


def pieces(*texts: str, **more: Any) -> list[dict[str, Any]]:
    made = [
        {"text": text, "citation": cited(n, text), "gap": False, "heading": False, "label": ""}
        for n, text in enumerate(texts, 1)
    ]
    for name, values in more.items():
        for piece, value in zip(made, values, strict=True):
            piece[name] = value
    return made


GAPPED = pieces("It fell.", "It broke.", gap=(False, True))


@pytest.mark.parametrize(
    ("form", "answer", "made", "selector", "shown"),
    [
        (
            "yes_no",
            "Yes. Dogs may come.",
            pieces("Dogs may come."),
            ".words, .piece",
            ["Yes.", "Dogs may come.1"],
        ),
        ("sentences", "It fell. It broke.", GAPPED, ".piece", ["It fell.1", "[…] It broke.2"]),
        (
            "steps",
            "1. Open\n2. Close",
            pieces("1. Open", "2. Close"),
            ".steps li",
            ["1. Open1", "2. Close2"],
        ),
        ("list", "- roof\n- lift", pieces("- roof", "- lift"), ".items li", ["roof1", "lift2"]),
        (
            "comparison",
            "£5\n£6",
            pieces("£5", "£6", label=("Old", "New")),
            ".a-side h3",
            ["Old", "New"],
        ),
        (
            "overview",
            "Parts\nOne.",
            pieces("Parts", "One.", heading=(True, False)),
            ".piece.head",
            ["Parts1"],
        ),
        (
            "catalogue",
            "2 documents\nA\nB",
            pieces("A", "B", label=("A", "B")),
            ".small-words",
            ["2 documents"],
        ),
    ],
)
def test_every_form_is_rendered(
    watched: Watched,
    form: str,
    answer: str,
    made: list[dict[str, Any]],
    selector: str,
    shown: list[str],
) -> None:
    page = watched.page
    page.goto("/")
    given = {
        **ANSWER,
        "form": form,
        "answer": answer,
        "pieces": made,
        "citations": [piece["citation"] for piece in made],
    }
    page.evaluate(
        "given => { document.body.classList.add('asked'); $('thread').hidden = false;"
        " $('thread').replaceChildren(...renderAnswer(given, () => {})); }",
        given,
    )
    assert page.locator(f"#thread {selector}").all_text_contents() == shown


ARCHITECT = "Who was the architect of the pavilion?"


@pytest.fixture(scope="module")
def pdf_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of docs/plan.pdf, whose second page has the answer to ARCHITECT."""
    folder = tmp_path_factory.mktemp("pdf")
    (folder / "docs").mkdir()
    first = [
        Put(72, 700, "The lease was signed in Wexcombe."),
        Put(72, 680, "Nothing else happened on that page."),
    ]
    second = [
        Put(72, 600, "The architect of the pavilion was"),
        Put(72, 586, "William Fairweather of Scarness."),
    ]
    (folder / "docs/plan.pdf").write_bytes(pdf([first, second], Title="The plan"))
    settings = Settings(index=folder / "index")
    backend = open_backend(settings)
    Ingest(backend.engine.store, backend.embedder, settings.passage_tokens).run(
        find([folder / "docs"])
    )
    backend.engine.store.close()
    return settings.index


def test_a_citation_of_a_pdf_is_boxed_on_its_page(browser: Browser, pdf_index: Path) -> None:
    with serving(pdf_index) as client:
        watched = Watched(browser, client)
        page = watched.page
        page.goto("/")
        assert_architect_is_boxed(page, pdf_index.parent / "docs/plan.pdf")
        page.get_by_role("group", name="Show as").get_by_role("button", name="Text").click()
        expect(page.locator(".document mark")).to_have_text("William Fairweather")
        watched.context.close()
        assert watched.noted == []


def assert_architect_is_boxed(page: Page, file: Path) -> None:
    """Ask, open the citation, and compare the box on the second page with PDFium's rectangle."""
    ask(page, ARCHITECT)
    expect(page.locator(".words")).to_contain_text("William Fairweather")
    page.get_by_role("button", name="Open citation 1").click()
    expect(page.locator(".box-on-page")).to_have_count(1, timeout=30_000)
    expect(page.get_by_text("Page 2 of 2")).to_be_visible()
    (rectangle,) = by_pdfium(file, "William Fairweather", page=2)
    placed = page.evaluate(
        "() => { const [box, sheet] = ['.box-on-page', '.sheet img'].map(one =>"
        " document.querySelector(one).getBoundingClientRect());"
        " return [(box.left - sheet.left) / sheet.width, (box.top - sheet.top) / sheet.height,"
        " (box.right - sheet.left) / sheet.width, (box.bottom - sheet.top) / sheet.height]; }"
    )
    assert_lies_on([placed], [rectangle])


HOSTILE = """<script>alert(1)</script><img src=x onerror=alert(2)></script><svg onload=alert(3)>
</textarea></title><iframe srcdoc="<script>alert(4)</script>"></iframe>{{7*7}}${alert(5)}

The villain is Mallory <b onmouseover=alert()>bold</b>.

\u202eEvil \u2066override\u2069 javascript:alert(7)."""


def test_a_hostile_document_is_escaped(watched: Watched, client: httpx.Client) -> None:
    page = watched.page
    name = "<img src=x onerror=alert(8)>.txt"
    put_text(client, name, HOSTILE)
    try:
        page.goto("/")
        ask(page, "Who is the villain?")
        expect(page.locator(".words")).to_contain_text("Mallory")
        page.get_by_role("button", name="Open citation 1").click()
        document = page.locator(".document")
        expect(document.locator("mark")).to_have_text("Mallory")
        shown = " ".join((document.text_content() or "").split())
        assert "<script>alert(1)</script><img src=x onerror=alert(2)>" in shown
        assert "\ufffdEvil \ufffdoverride\ufffd javascript:alert(7)" in shown
        for tag in ("script", "img", "iframe", "svg", "b"):
            assert document.locator(tag).count() == 0
        open_sources(page)
        expect(page.locator("[data-document]")).to_have_count(3)
        page.wait_for_timeout(300)
    finally:
        for one in documents(client):
            if "<img" in one:
                client.delete("/v1/documents/" + one.replace("<", "%3C").replace(">", "%3E"))


EVIL = "<img src=x onerror=alert(9)>\u202etxt"
EVERYWHERE = f"""# {EVIL}

## {EVIL} one

The villain of {EVIL} is Mallory.

## {EVIL} two

| {EVIL} | Price |
|---|---|
| {EVIL} | £70 |

## {EVIL} three

- {EVIL}

    x = "{EVIL}"; y = ["{EVIL}"]
"""


def test_a_documents_lists_and_tables_are_shown_as_such(
    watched: Watched, client: httpx.Client
) -> None:
    text = "- one\n- two\n  1. inner 🐟\n\n| Item | EUR |\n|---|---|\n| M4 \\| M5: steel | 7 |\n"
    client.post("/v1/documents", files={"file": ("stock.md", text.encode())}).raise_for_status()
    page = watched.page
    page.goto("/")
    page.evaluate("openCitation({document_id: 'uploads/stock.md', title: 'Stock'})")
    view = page.locator(".document")
    expect(view.locator("th")).to_have_text(["Item", "EUR"])
    expect(view.locator("td")).to_have_text(["M4 | M5: steel", "7"])
    expect(view.locator("li li")).to_have_text("1.inner 🐟")
    client.delete("/v1/documents/uploads/stock.md").raise_for_status()


def test_hostile_text_is_escaped_everywhere(
    watched: Watched, client: httpx.Client, tmp_path: Path
) -> None:
    page = watched.page
    broken = tmp_path / "<img src=x onerror=alert(1)>.pdf"
    broken.write_bytes(b"%PDF-1.4 nothing")
    form = {"file": ("<img src=x onerror=alert(8)>.md", EVERYWHERE.encode())}
    client.post(
        "/v1/documents", params={"folder": "<svg onload=alert(7)>"}, files=form
    ).raise_for_status()
    (evil,) = [one for one in documents(client) if "<" in one]
    try:
        page.goto("/")
        ask(page, f"Who is the villain of {EVIL}?")
        expect(page.locator(".words")).to_contain_text("Mallory")
        page.get_by_role("button", name="Open citation 1").click()
        expect(page.locator(".document mark")).to_have_text("Mallory")
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
        page.get_by_role("button", name="Search", exact=True).click()
        ask(page, f"villain {EVIL}")
        expect(page.locator("#found .card").first).to_contain_text("Mallory")
        page.get_by_role("button", name="Check", exact=True).first.click()
        page.locator("#claims").fill(f"The villain of {EVIL} is Mallory. {EVIL} is good.")
        page.locator("#check").get_by_role("button", name="Check", exact=True).click()
        expect(page.locator(".tally")).to_be_visible()
        page.get_by_role("link", name="rag, new thread").click()
        expect(page.locator("#recent-list")).to_contain_text("<img src=x")
        made = "img[src=x], svg:not(.icon), iframe, body script ~ script"
        assert page.locator(made).count() == 0
        assert "\u202e" not in page.locator("body").inner_text()
        page.wait_for_timeout(300)
    finally:
        client.delete("/v1/documents/" + quote(evil)).raise_for_status()
    watched.noted[:] = [line for line in watched.noted if "422" not in line]


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
    watched.context.close()
    assert watched.noted == []


UNCOVERED = """one => {
  const { x, y, width, height } = one.getBoundingClientRect();
  return one.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}"""


def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Move to the element with the keyboard; fails if it cannot be reached."""
    expect(wanted).to_be_visible()
    for _ in range(100):
        if wanted.evaluate("one => one === document.activeElement"):
            assert wanted.evaluate(UNCOVERED), f"something covers {wanted}"
            return
        page.keyboard.press(key)
    raise AssertionError(f"{wanted} cannot be reached")


def press(page: Page, name: str, key: str = "Tab", within: Locator | None = None) -> None:
    wanted = (within or page).get_by_role("button", name=name, exact=True).first
    tab_to(page, wanted, key)
    page.keyboard.press("Enter")


def test_back_and_reload_keep_the_thread(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    ask(page, BURNS)
    expect(last(page).locator(".words")).to_contain_text("William Burns")
    ask(page, "Who is the tenant?")
    expect(last(page).locator(".words")).to_contain_text("Ada Lovelace")
    page.reload()
    expect(page.locator(".turn")).to_have_count(2)
    page.go_back()
    expect(page.get_by_role("heading", name="Earlier threads")).to_be_visible()
    page.go_forward()
    expect(last(page).locator(".words")).to_be_visible()
    expect(page.locator(".turn")).to_have_count(2)
    assert page.evaluate("threads.filter(one => one.id === thread.id).length") == 1


def test_one_visit_with_the_token_signs_the_browser_in(browser: Browser, tmp_path: Path) -> None:
    token = "of-this-index-and-no-other-one-x"
    with serving(tmp_path, token=token) as client:
        put_text(_with_token(client, token), "oman.txt", OMAN)
        watched = Watched(browser, client)
        page = watched.page
        page.goto(f"/#token={token}&q={quote(BURNS)}")
        expect(page.locator(".words")).to_contain_text("William Burns")
        assert token not in page.url
        kept = page.evaluate(
            "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
        )
        assert token not in kept
        (cookie,) = watched.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/")
        page.get_by_role("button", name="Open citation 1").click()
        copied = page.evaluate("linkToPlace(thread.turns[0].answer.citations[0])")
        tab = watched.context.new_page()  # nothing of the first tab's session
        tab.goto(copied)
        expect(tab.locator("#side mark")).to_have_text("William Burns")
        assert watched.noted == []
        watched.context.close()
        stranger = Watched(browser, client)
        stranger.page.goto("/#token=of-an-older-time")
        expect(stranger.page.locator("#key-title")).to_contain_text("This address is old")
        expect(stranger.page.locator("#key-hint")).to_contain_text("rag serve printed")
        stranger.page.get_by_label("Address, token").fill(f"{client.base_url}/#token={token}")
        stranger.page.get_by_role("button", name="Sign in").click()
        expect(stranger.page.locator("#document-count")).to_have_text("1")
        stranger.context.close()


def _with_token(client: httpx.Client, token: str) -> httpx.Client:
    client.headers["Authorization"] = f"Bearer {token}"
    return client


@contextmanager
def locked(browser: Browser, folder: Path) -> Iterator[tuple[Watched, str]]:
    """The page of a service that requires a key, and the key."""
    _, token = keys_of(Settings(index=folder)).add("a", "read")
    with serving(folder, key=token) as client:
        watched = Watched(browser, client)
        watched.page.goto("/")
        yield watched, token
        watched.context.close()


def test_a_key_is_requested_and_problems_are_shown(browser: Browser, tmp_path: Path) -> None:
    with locked(browser, tmp_path) as (watched, token):
        page = watched.page
        page.get_by_label("Address, token or API key").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#key-title")).to_contain_text("wrong or revoked")
        page.get_by_label("Address, token or API key").fill(token)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="No documents yet")).to_be_visible()
        expect(page.get_by_role("button", name="a (read only)")).to_be_visible()
        expect(page.locator("#welcome-add")).to_be_hidden()
        ask(page, "Anyone there?")
        expect(page.get_by_role("alert")).to_contain_text("The index is empty")
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
        page.get_by_role("button", name="Open citation 1").click()
        expect(page.locator(".document mark")).to_contain_text("2015")
        ask(page, "What is the capital of Mongolia?")
        expect(last(page).locator(".words")).to_have_text("Not found", timeout=30_000)
        watched.context.close()
        assert watched.noted == []


def test_the_page_runs_nothing_but_its_own_script(watched: Watched) -> None:
    page = watched.page
    page.goto("/")
    assert page.evaluate("document.querySelectorAll('script').length") == 1
    refused = page.evaluate(
        "new Promise(done => { document.addEventListener('securitypolicyviolation', event => "
        "done(event.effectiveDirective));"
        " const script = document.createElement('script'); try { script.text = 'document.title = "
        "1'; } catch { done('types'); }"
        " document.head.append(script); })"
    )
    assert refused in ("script-src-elem", "require-trusted-types-for", "types")
    expect(page).to_have_title("rag")
    watched.noted.clear()


def test_the_page_is_complete_and_names_no_other_host() -> None:
    assert not re.search(r"(?:src|href)=\"(?!#|data:)", PAGE.html)
    assert "http://" not in PAGE.html.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in PAGE.html
    assert "innerHTML" not in PAGE.script
    assert "unsafe" not in PAGE.policy
    assert len(PAGE.html.encode()) < 170_000
    here = Path(PAGE.__class__.__module__.replace(".", "/"))
    assert set(SCRIPTS) == {path.name for path in (Path(__file__).parents[2] / here).glob("*.js")}


def test_a_link_opens_a_document_at_the_quoted_words(
    watched: Watched, client: httpx.Client
) -> None:
    asked = {"model": "rag", "messages": [{"role": "user", "content": BURNS}]}
    message = client.post("/v1/chat/completions", json=asked).json()["choices"][0]["message"]
    watched.page.goto(message["annotations"][0]["url_citation"]["url"])
    expect(watched.page.locator("#side mark")).to_have_text("William Burns")
