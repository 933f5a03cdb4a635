"""Proofs on the page, in a real browser, with fake models: files that open, and their check."""

import json
import zipfile
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.server.conftest import OMAN
from tests.server.fake_server import put_text, serving
from tests.server.routes.test_grids import GRID, wait
from tests.server.test_page import BURNS, ask, button, last, visit

pytestmark = pytest.mark.slow
NOTHING = "Zebra crossings painted?"


def save(page: Page, item: str) -> Path:
    """What a press of the item in the menu of the last answer saves."""
    last(page).get_by_text("Proof", exact=True).click()
    with page.expect_download() as saved:
        button(page, item).click()
    return saved.value.path()


def check(page: Page, path: Path, says: str) -> None:
    page.locator("#mode-check").click()
    summary = page.get_by_text("Check a proof", exact=True)
    if not page.locator("#proof-file").is_visible():
        summary.click()
    page.locator("#proof-file").set_input_files([])
    page.locator("#proof-file").set_input_files(path)
    expect(page.locator("#proof-checked")).to_contain_text(says)


@pytest.mark.parametrize("width", [1280, 390])
def test_an_answer_and_a_refusal_are_proved_and_checked(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    with serving(tmp_path / "index") as client:
        put_text(client, "oman.txt", OMAN)
        with visit(browser, client, width, expected="409") as watched:
            page = watched.page
            ask(page, BURNS)
            bundle = save(page, "Save a bundle")
            expect(last(page)).to_contain_text("Saved as proof.zip")
            with zipfile.ZipFile(bundle) as archive:
                assert "William Burns" in archive.read("index.html").decode()
            last(page).get_by_text("Proof", exact=True).click()
            watched.audit("menu of proofs")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            button(page, "Check the quotes").click()
            expect(page.locator(".proof-says")).to_have_text(
                "Holds. Its quote is in its document, word for word, at its place."
            )
            watched.audit("quotes that hold")
            ask(page, NOTHING)
            certificate = save(page, "Save a certificate")
            assert f"Not found: {NOTHING}" in certificate.read_text()
            for path in (bundle, certificate):
                check(page, path, "Holds.")
            put_text(client, "oman.txt", f"Zebra crossings are painted in Oslo.\n\n{OMAN}")
            check(page, certificate, "Changed: uploads/oman.txt")
            watched.audit("a certificate of an earlier index")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            check(page, bundle, "Moved: “William Burns”")
            certificate.write_text(certificate.read_text().replace("Zebra", "Quagga"))
            check(page, certificate, "Altered.")
            page.locator("#mode-ask").click()
            last(page).get_by_text("Proof", exact=True).click()
            button(page, "Save a certificate").click()
            expect(last(page).get_by_role("alert")).to_contain_text("The question is answered")


def test_an_answer_of_an_earlier_visit_is_proved_if_it_is_the_same(
    browser: Browser, tmp_path: Path
) -> None:
    with serving(tmp_path / "index") as client:
        put_text(client, "oman.txt", OMAN)
        with visit(browser, client) as watched:
            page = watched.page
            ask(page, BURNS)
            expect(last(page).locator(".words")).to_contain_text("William Burns")
            page.reload()
            assert zipfile.is_zipfile(save(page, "Save a bundle"))
            put_text(client, "oman.txt", "The talks were led by Ada Lovelace.")
            page.reload()
            last(page).get_by_text("Proof", exact=True).click()
            button(page, "Check the quotes").click()
            expect(last(page).get_by_role("alert")).to_contain_text("answer otherwise today")
            stored = client.get("/v1/threads").json()["threads"][0]["id"]
            thread = client.get(f"/v1/threads/{stored}").json()
            assert "receipt" not in json.dumps(thread), "it names documents that may be deleted"


@pytest.mark.parametrize("width", [1280, 390])
def test_a_grid_is_saved_with_its_proof_and_its_quotes_are_checked(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    with serving(tmp_path / "index") as client:
        put_text(client, "oak.md", "# Oak\n\nThe lease ends in 2027. The tenant is Ada Lovelace.")
        wait(client, client.post("/v1/grids", json=GRID))
        with visit(browser, client, width, path="/#grid=leases") as watched:
            page = watched.page
            page.get_by_text("Save as", exact=True).click()
            expect(button(page, "Bundle with its proof")).to_be_in_viewport(ratio=1)
            with page.expect_download() as saved:
                button(page, "Bundle with its proof").click()
            assert saved.value.suggested_filename == "leases.zip"
            assert zipfile.is_zipfile(saved.value.path())
            button(page, "Check the quotes").click()
            expect(page.locator("#grid-checked")).to_contain_text("Holds. All 2 quotes")
            watched.audit("a grid whose quotes hold")
            put_text(client, "oak.md", "# Oak\n\nThe lease ends in 2031.")
            button(page, "Check the quotes").click()
            expect(page.locator("#grid-checked")).to_contain_text("2 of 2 quotes are not where")
            watched.audit("a grid whose quotes have changed")


def test_a_file_that_is_no_proof_says_so(browser: Browser, client: httpx.Client) -> None:
    with visit(browser, client, expected="422") as watched:
        path = Path(__file__)
        check(watched.page, path, "The file is no proof")
