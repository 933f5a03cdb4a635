"""The MCP inspector's command line, from npm, against a real service and a real `rag mcp`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.fake_server import put_text, serving

INSPECTOR = os.environ.get("MCP_INSPECTOR", "")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not INSPECTOR, reason="set MCP_INSPECTOR to node_modules/.bin/mcp-inspector"
    ),
]
OMAN = "Oman hosted the secret talks. The talks were led by William Burns in Muscat."


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("served")) as made:
        put_text(made, "oman.txt", OMAN)
        yield made


def inspected(*arguments: str) -> Any:
    """The inspector's output, parsed."""
    done = subprocess.run(
        [INSPECTOR, "--cli", *arguments], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def over_http(client: httpx.Client, *arguments: str) -> Any:
    return inspected(f"{client.base_url}/mcp", "--transport", "http", *arguments)


def test_the_tools_are_listed(client: httpx.Client) -> None:
    names = [tool["name"] for tool in over_http(client, "--method", "tools/list")["tools"]]
    assert {"ask", "search", "fetch", "check_claims"} <= set(names)


def test_a_question_is_answered_and_its_source_fetched(client: httpx.Client) -> None:
    asked = ("--method", "tools/call", "--tool-name", "ask")
    found = over_http(client, *asked, "--tool-arg", "question=Who led the talks?")
    assert found["structuredContent"]["answer"] == "William Burns"
    name = found["structuredContent"]["citations"][0]["document_id"]
    fetch = ("--method", "tools/call", "--tool-name", "fetch", "--tool-arg", f"id={name}")
    assert over_http(client, *fetch)["structuredContent"]["text"] == OMAN


def test_rag_mcp_lists_its_tools(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "rag", "mcp", "--index", str(tmp_path / "index"))
    names = [one["name"] for one in inspected(*command, "--method", "tools/list")["tools"]]
    assert "ask" in names
    assert "ingest" not in names
