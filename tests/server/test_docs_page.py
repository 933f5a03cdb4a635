"""The page at /docs works without a network, and its examples match the schema."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.fake_server import serving


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def schema(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for path in schema["paths"].values() for one in path.values()]


def test_the_page_loads_nothing_and_runs_nothing(client: httpx.Client) -> None:
    answer = client.get("/docs")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    elements = Elements(answer.text).found
    assert not {tag for tag, _ in elements} & {"script", "link", "img", "iframe", "object"}
    links = {values["href"] for tag, values in elements if "href" in values}
    assert links == {"/openapi.json"}
    assert len(answer.content) < 300_000


def test_every_operation_has_its_place(client: httpx.Client, schema: dict[str, Any]) -> None:
    places = {
        values.get("id")
        for tag, values in Elements(client.get("/docs").text).found
        if tag == "details"
    }
    assert places == {one["operationId"] for one in operations(schema)}


def test_json_responses_have_an_example_that_fits(schema: dict[str, Any]) -> None:
    without = []
    for one in operations(schema):
        for status, answer in one["responses"].items():
            made = answer.get("content", {}).get("application/json", {})
            if int(status) >= 300 or "schema" not in made:
                continue
            if "example" not in made:
                without.append(one["operationId"])
                continue
            full = {**made["schema"], "components": schema["components"]}
            jsonschema.validate(made["example"], full)
        body = one.get("requestBody", {}).get("content", {}).get("application/json", {})
        if "example" in body:
            jsonschema.validate(
                body["example"], {**body["schema"], "components": schema["components"]}
            )
    assert len(without) < 12, without


def test_the_page_is_open_where_keys_are_needed(tmp_path: Path) -> None:
    keys_of(Settings(index=tmp_path)).add("someone", "read")
    with serving(tmp_path) as client:
        assert client.get("/v1/me").status_code == 401
        assert client.get("/docs").status_code == 200
