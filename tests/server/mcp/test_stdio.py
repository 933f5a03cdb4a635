"""`rag mcp` in its own process, as started by an agent, with both protocol versions."""

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from rag import build
from rag.settings import Settings
from tests.server.conftest import OMAN
from tests.small_index import new_store

pytest.importorskip("mcp")
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
LINK = "document=uploads%2Foman.txt"


def talk(
    index: Path, use: Callable[[Any], Awaitable[Any]], *options: str, mode: str = "auto"
) -> Any:
    async def talking() -> Any:
        environment = {**os.environ, "RAG_INDEX": str(index), "RAG_THRESHOLD": "0.15"}
        arguments = ["-m", "tests.repl.faked", "mcp", *options]
        started = StdioServerParameters(
            command=sys.executable, args=arguments, env=environment, cwd=ROOT
        )
        async with Client(stdio_client(started), mode=mode) as agent:
            return await use(agent)

    return anyio.run(talking)


@pytest.mark.parametrize(
    ("mode", "collection"), [("legacy", ""), ("auto", "contracts")], ids=["legacy", "auto"]
)
def test_an_agent_ingests_asks_reads_and_deletes(
    tmp_path: Path, mode: str, collection: str
) -> None:
    """In the index with links into the process, or in a collection with links to a page."""
    question = {"question": "Who led the talks?"}
    page = f"http://127.0.0.1:8000/#collection=contracts&{LINK}&start=" if collection else ""

    async def use(agent: Any) -> None:
        names = [tool.name for tool in (await agent.list_tools()).tools]
        assert names[-2:] == ["ingest", "delete"]
        put = await agent.call_tool("ingest", {"name": "oman.txt", "text": OMAN})
        assert put.structured_content["outcome"] == "added", put
        answer = (await agent.call_tool("ask", question)).structured_content
        assert answer["answer"] == "William Burns"
        (cited,) = answer["citations"]
        assert cited["url"].startswith(page or "rag://document/uploads%2Foman.txt#char=")
        (content,) = (await agent.read_resource("rag://document/uploads%2Foman.txt")).contents
        place = cited["highlight"]
        quoted = content.text[place["start_char_index"] : place["end_char_index"]]
        assert quoted == "William Burns"
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_ok, agent.call_tool("search", {"query": "talks"}))
            tasks.start_soon(_ok, agent.call_tool("ask", question))
        gone = await agent.call_tool("delete", {"document_id": "uploads/oman.txt"})
        assert gone.structured_content["deleted"]

    settings = Settings(index=tmp_path / "index")
    new_store(settings.index).close()
    options = ["--allow-writes"]
    if collection:
        with closing(build.collections(settings)) as collections:
            collections.create(collection)
        new_store(build.in_collection(replace(settings, collection=collection)).index).close()
        options += ["--collection", collection, "--page", "http://127.0.0.1:8000"]
    talk(settings.index, use, *options, mode=mode)


async def _ok(call: Awaitable[Any]) -> None:
    assert not (await call).is_error


def test_without_writes_and_an_index_the_tools_give_hints(tmp_path: Path) -> None:
    async def use(agent: Any) -> Any:
        names = [tool.name for tool in (await agent.list_tools()).tools]
        return names, await agent.call_tool("ask", {"question": "Who?"})

    names, reply = talk(tmp_path / "none", use)
    assert "ingest" not in names
    assert reply.is_error
    assert "Ask the user to do it: create one with: rag ingest PATH" in reply.content[0].text
