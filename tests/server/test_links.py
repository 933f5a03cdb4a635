"""Links into a collection open its document at the place, from every interface."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.server.fake_server import call_tool, put_text, serving

QUESTION = "Where is the safe?"
TEXT = "The door is green. The safe for contracts is in Lisbon."
IN = "/v1/collections/contracts"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A document name in two collections; only the named collection's has the words."""
    with serving(tmp_path_factory.mktemp("served")) as served:
        put_text(served, "contracts.txt", "The safe of the house is in Oslo, behind the oven.")
        served.post("/v1/collections", json={"name": "contracts"}).raise_for_status()
        body = {"name": "contracts.txt", "text": TEXT}
        served.post(f"{IN}/documents", json=body).raise_for_status()
        yield served


def post(client: httpx.Client, path: str, body: dict[str, Any]) -> str:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    return response.text


def links(text: str) -> set[str]:
    return set(re.findall(r'http://[^\s"\\)]+#[^\s"\\)]+', text))


def openai_bodies(model: str) -> dict[str, dict[str, Any]]:
    return {
        "chat/completions": {"model": model, "messages": [{"role": "user", "content": QUESTION}]},
        "responses": {"model": model, "input": QUESTION, "include": ["file_search_call.results"]},
    }


def all_links(client: httpx.Client) -> Iterator[set[str]]:
    for path, body in openai_bodies("rag:contracts").items():
        yield links(post(client, f"/v1/{path}", body))
        yield links(post(client, f"/v1/{path}", {**body, "stream": True}))
    for path, body in openai_bodies("rag").items():
        yield links(post(client, f"{IN}/{path}", body))
    store = {"type": "file_search", "vector_store_ids": ["contracts"]}
    in_store = {**openai_bodies("rag")["responses"], "tools": [store]}
    yield links(post(client, "/v1/responses", in_store))
    yield links(post(client, "/v1/vector_stores/contracts/search", {"query": QUESTION}))
    yield links(post(client, "/v1/dify/retrieval", {"knowledge_id": "contracts", "query": "safe"}))
    pytest.importorskip("mcp")
    yield links(call_tool(client, "ask", IN, question=QUESTION))
    yield links(call_tool(client, "search", IN, query=QUESTION))
    yield links(call_tool(client, "fetch", IN, id="uploads/contracts.txt"))
    yield links(call_tool(client, "check_claims", IN, text="The safe for contracts is in Lisbon."))


def test_every_link_into_a_collection_names_it_and_the_place(client: httpx.Client) -> None:
    for links in all_links(client):
        assert links
        for link in links:
            assert link.startswith(f"{client.base_url}/#")
            place = {name: value for name, (value,) in parse_qs(urlsplit(link).fragment).items()}
            path = f"/v1/collections/{place['collection']}/documents/{place['document']}/text"
            quoted = client.get(path).text[int(place["start"]) : int(place["end"])]
            assert "Lisbon" in quoted


def test_links_into_the_default_collection_have_no_name(client: httpx.Client) -> None:
    for path, body in openai_bodies("rag").items():
        reply_links = links(post(client, f"/v1/{path}", body))
        assert reply_links
        assert all("#document=uploads%2Fcontracts.txt&start=" in link for link in reply_links)


@pytest.mark.slow
def test_the_page_opens_a_link_into_a_collection(browser: Browser, client: httpx.Client) -> None:
    (only_link,) = links(
        post(client, "/v1/chat/completions", openai_bodies("rag")["chat/completions"])
    )
    body = openai_bodies("rag:contracts")["chat/completions"]
    (link,) = links(post(client, "/v1/chat/completions", body))
    context = browser.new_context()
    try:
        page = context.new_page()
        marked = page.get_by_role("region", name="Text of uploads/contracts.txt").locator("mark")
        page.goto(link)
        expect(marked).to_have_text("Lisbon")
        expect(page.locator("#collection")).to_have_value("contracts")
        page.goto(only_link)
        expect(marked).to_have_text("Oslo")
        expect(page.locator("#collection")).to_have_value("")
        page.go_back()
        expect(marked).to_have_text("Lisbon")
        page.locator("#question").fill(QUESTION)
        page.keyboard.press("Enter")
        expect(page.locator(".words")).to_contain_text("Lisbon")
        assert "collection=contracts" in page.evaluate("location.hash")
        page.reload()
        expect(page.locator(".words")).to_contain_text("Lisbon")
    finally:
        context.close()
