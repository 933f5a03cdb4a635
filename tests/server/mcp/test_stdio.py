"""`rag mcp` in its own process, as started by an agent, with both protocol versions."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from rag import build
from rag.settings import Settings
from tests.small_index import new_store

pytest.importorskip("mcp")
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
OMAN = "Oman hosted the secret talks. The talks were led by William Burns in Muscat."


def talk(
    index: Path,
    use: Callable[[Any], Awaitable[Any]],
    mode: str,
    *options: str,
    module: str = "tests.repl.faked",
) -> Any:
    async def talking() -> Any:
        environment = {**os.environ, "RAG_INDEX": str(index), "RAG_THRESHOLD": "0.15"}
        started = StdioServerParameters(
            command=sys.executable, args=["-m", module, "mcp", *options], env=environment, cwd=ROOT
        )
        async with Client(stdio_client(started), mode=mode) as agent:
            return await use(agent)

    return anyio.run(talking)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("stdio") / "index"
    new_store(made).close()
    return made


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_ingests_asks_reads_and_deletes(index: Path, mode: str) -> None:
    async def use(agent: Any) -> None:
        names = [tool.name for tool in (await agent.list_tools()).tools]
        assert names[-2:] == ["ingest", "delete"]
        empty = await agent.call_tool("ask", {"question": "Who led the talks?"})
        assert empty.is_error
        assert "the index is empty" in empty.content[0].text
        put = await agent.call_tool("ingest", {"name": "oman.txt", "text": OMAN})
        assert put.structured_content["outcome"] == "added", put
        found = (
            await agent.call_tool("ask", {"question": "Who led the talks?"})
        ).structured_content
        assert found["answer"] == "William Burns"
        (cited,) = found["citations"]
        assert cited["url"].startswith("rag://document/uploads%2Foman.txt#char=")
        (content,) = (await agent.read_resource(cited["url"].partition("#")[0])).contents
        assert content.text[cited["start"] : cited["end"]] == "William Burns"
        both = [
            agent.call_tool("search", {"query": "talks"}),
            agent.call_tool("ask", {"question": "Who led the talks?"}),
        ]
        async with anyio.create_task_group() as tasks:
            for one in both:
                tasks.start_soon(_ok, one)
        gone = await agent.call_tool("delete", {"document_id": "uploads/oman.txt"})
        assert gone.structured_content["deleted"]

    talk(index, use, mode, "--allow-writes")


def test_a_link_into_a_collection_names_it(index: Path) -> None:
    with closing(build.collections(Settings(index=index))) as collections:
        collections.create("contracts")
    new_store(build.in_collection(Settings(index=index, collection="contracts")).index).close()

    async def use(agent: Any) -> Any:
        await agent.call_tool("ingest", {"name": "oman.txt", "text": OMAN})
        return await agent.call_tool("search", {"query": "talks"})

    page = ("--page", "http://127.0.0.1:8000")
    found = talk(index, use, "auto", "--allow-writes", "--collection", "contracts", *page)
    assert not found.is_error, found.content
    (hit,) = found.structured_content["results"]
    address = "http://127.0.0.1:8000/#collection=contracts&document=uploads%2Foman.txt&start=0"
    assert hit["url"].startswith(address)


async def _ok(asked: Awaitable[Any]) -> None:
    assert not (await asked).is_error


def test_without_writes_and_an_index_the_tools_give_hints(tmp_path: Path) -> None:
    async def use(agent: Any) -> Any:
        names = [tool.name for tool in (await agent.list_tools()).tools]
        return names, await agent.call_tool("ask", {"question": "Who?"})

    names, asked = talk(tmp_path / "none", use, "auto")
    assert "ingest" not in names
    assert asked.is_error
    assert "rag ingest PATH" in asked.content[0].text


def test_with_the_real_models(tmp_path: Path) -> None:
    async def use(agent: Any) -> Any:
        return await agent.call_tool("ask", {"question": "When was the JCPOA signed?"})

    asked = talk(ROOT / "index", use, "auto", "--page", "http://127.0.0.1:8000", module="rag")
    if asked.is_error:
        pytest.skip("there is no index of seeds/ here: make ask")
    assert "2015" in asked.content[0].text
