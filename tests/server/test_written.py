"""Answers that a language model writes: over HTTP and on the page, from a real server that invents
sentences, or is not there.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from rag.server import written
from tests.claims.writers import writing
from tests.server.conftest import OMAN
from tests.server.fake_server import put_text, serving
from tests.server.test_page import BURNS, ask, last, visit
from tests.server.test_questions import events

ABSENT = "http://127.0.0.1:9/v1"
TRUE, FALSE = "Oman hosted the secret talks", "Oman hosted the talks in 1907"


def model(sentences: list[str], question: str) -> str:
    number = next(n for n, sentence in enumerate(sentences, 1) if "Oman hosted" in sentence)
    return f"{TRUE} [{number}]. {FALSE} [{number}]."


@pytest.fixture(params=[pytest.param(False, id="there"), pytest.param(True, id="absent")])
def writer(request: pytest.FixtureRequest) -> Iterator[tuple[str, bool]]:
    """The address of a writer, and whether nobody is there."""
    with writing(model) as served:
        yield (ABSENT if request.param else served.address), request.param


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_written_is_checked_and_stands_beside_the_answer(
    tmp_path: Path, stream: bool, writer: tuple[str, bool]
) -> None:
    address, is_absent = writer
    with serving(tmp_path, writer=address, writer_model="lama") as client:
        put_text(client, "oman.txt", OMAN)
        state = client.get("/v1/writer").json()
        problem = "it cannot be reached" if is_absent else ""
        assert (state["is_set"], state["model"]) == (True, "lama")
        assert "writer" in client.get("/v1/me").json()["features"]
        sent = client.post("/v1/ask", json={"question": BURNS, "write": True, "stream": stream})
        if stream:
            names = [name for name, _ in events(sent.text)]
            assert names[-3:] == ["final_answer", "written", "done"]
            by_name = dict(events(sent.text))
            answer, written = by_name["final_answer"], by_name["written"]
        else:
            answer = sent.json()
            written = answer["written"]
        assert answer["answer"] == "William Burns"
        if is_absent:
            assert written["text"] is None
            assert problem in written["reason"]
            assert "127.0.0.1" not in sent.text
        else:
            assert written["text"].startswith(TRUE)
            assert FALSE not in written["text"]
            (struck,) = [sentence for sentence in written["sentences"] if sentence["struck"]]
            assert "1907" in struck["text"]
            (source,) = written["sources"]
            place = slice(source["start_char_index"], source["end_char_index"])
            assert OMAN[place] == source["text"]
        assert client.get("/v1/writer").json()["problem"] == problem


def test_an_answer_stands_if_the_writer_is_never_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(written, "AT_ONCE", 0)
    with (
        writing(model) as served,
        serving(tmp_path, writer=served.address, writer_seconds=1) as client,
    ):
        put_text(client, "oman.txt", OMAN)
        sent = client.post("/v1/ask", json={"question": BURNS, "write": True})
        assert (sent.status_code, sent.json()["answer"]) == (200, "William Burns")
        assert "too many requests" in sent.json()["written"]["reason"]
        assert served.requests == []


def test_without_a_writer_asking_for_one_is_refused(client: httpx.Client) -> None:
    refused = client.post("/v1/ask", json={"question": BURNS, "write": True})
    assert (refused.status_code, "RAG_WRITER" in refused.json()["hint"]) == (422, True)
    assert client.get("/v1/writer").json() == {"is_set": False, "model": "", "problem": ""}
    assert "writer" not in client.get("/v1/me").json()["features"]


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_switch_asks_the_writer_and_shows_what_it_wrote(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    with (
        writing(model) as served,
        serving(tmp_path, writer=served.address, writer_model="lama") as client,
    ):
        put_text(client, "oman.txt", OMAN)
        with visit(browser, client, width) as watched:
            page = watched.page
            switch = page.get_by_role("switch", name="Also written by lama")
            expect(switch).to_be_checked()
            expect(page.locator("#writer-state")).to_be_empty()
            watched.audit("start page with a writer")
            ask(page, BURNS)
            written = last(page).locator(".written")
            expect(written).to_contain_text(TRUE)
            expect(written.get_by_text("1 sentence left out")).to_be_visible()
            expect(last(page).locator(".words")).to_contain_text("William Burns")
            watched.audit("a written answer")
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            page.get_by_role("button", name="Open source").click()
            expect(page.locator(".document .sentence, .document mark").first).to_be_visible()
            page.keyboard.press("Escape")
            switch.uncheck()
            expect(written).to_be_hidden()
            request_count = len(served.requests)
            ask(page, BURNS)
            expect(page.locator(".turn")).to_have_count(2)
            expect(last(page).locator(".words")).to_contain_text("William Burns")
            assert len(served.requests) == request_count
            page.reload()
            expect(switch).not_to_be_checked()
            switch.check()
            expect(page.locator(".written")).to_have_count(1)


@pytest.mark.slow
def test_the_page_says_that_the_writer_is_away(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, writer=ABSENT) as client:
        put_text(client, "oman.txt", OMAN)
        with visit(browser, client) as watched:
            page = watched.page
            expect(page.locator("#writer-state")).to_have_text(
                "Not available: it cannot be reached. You get the quotes."
            )
            watched.audit("a writer that is away")
            ask(page, BURNS)
            expect(last(page).locator(".written")).to_contain_text("Not written")
            expect(last(page).locator(".words")).to_contain_text("William Burns")


def test_the_state_of_the_writer_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        with writing(model) as served:
            client = stack.enter_context(serving(tmp_path, writer=served.address))
            assert client.get("/v1/writer").json()["problem"] == ""
        assert client.get("/v1/writer").json()["problem"] == "", "it was there a moment ago"
        monkeypatch.setattr(written, "_FRESH", 0.0)
        assert client.get("/v1/writer").json()["problem"] == "it cannot be reached"
