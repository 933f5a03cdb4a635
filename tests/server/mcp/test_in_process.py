"""The SDK's client and the tools in one process, without a port, with both protocol versions."""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml

from rag import build
from rag.settings import Settings
from tests.fakes import BagOfWordsEmbedder, fake_models
from tests.server.conftest import OMAN
from tests.small_index import new_store

pytest.importorskip("mcp")
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp.types import Request, RequestParams
from pydantic import TypeAdapter

from rag.server.mcp.local import LocalLibrary
from rag.server.mcp.server import make_server
from rag.server.mcp.skill import GetSkill

AnyResult: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])

MODES = ["auto", "legacy"]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    fake_models(monkeypatch.setattr)
    return Settings(index=tmp_path / "index", embedder=BagOfWordsEmbedder().name, threshold=0.15)


@pytest.fixture
def library(settings: Settings) -> LocalLibrary:
    new_store(settings.index).close()
    return LocalLibrary(settings, "")


def talk(
    library: LocalLibrary, use: Callable[[Any], Awaitable[Any]], mode: str, writes: bool = False
) -> Any:
    async def talking() -> Any:
        server = make_server(lambda _, name, __: library.in_collection(name), writes)
        async with Client(server, mode=mode) as agent:
            return await use(agent)

    return anyio.run(talking)


def test_the_definitions_with_the_writing_tools_take_less_than_2000_tokens(
    library: LocalLibrary,
) -> None:
    tools = talk(library, lambda agent: agent.list_tools(), "auto", writes=True).tools
    definitions = {tool.name: tool.model_dump(by_alias=True, exclude_none=True) for tool in tools}
    assert {"ask", "run_grid", "ingest", "delete"} <= set(definitions)
    assert len(json.dumps([*definitions.values()], ensure_ascii=False)) / 3.5 < 2000
    turns = definitions["ask"]["inputSchema"]["properties"]["conversation"]
    assert set(turns["items"]["properties"]) == {"question", "answer", "documents"}


@pytest.mark.parametrize("mode", MODES)
def test_the_first_document_makes_the_index_and_is_read(
    settings: Settings, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    led = {"question": "Who led the talks?"}

    async def use(agent: Any) -> Any:
        refused = await agent.call_tool("ask", led)
        assert refused.is_error
        assert "no index" in refused.content[0].text
        put = await agent.call_tool("ingest", {"name": "oman.txt", "text": OMAN})
        assert not put.is_error, put.content[0].text
        answer = (await agent.call_tool("ask", led)).structured_content
        assert answer["answer"] == "William Burns"
        (cited, *_) = answer["citations"]
        read = await agent.call_tool("read_document", {"document_id": cited["document_id"]})
        assert OMAN in read.content[0].text
        (content,) = (await agent.read_resource("rag://document/uploads%2Foman.txt")).contents
        assert content.text == OMAN
        monkeypatch.setattr("rag.server.mcp.server._LONGEST_TEXT", len(OMAN) - 1)
        with pytest.raises(MCPError, match=r"too many to read at once.*read_document"):
            await agent.read_resource("rag://document/uploads%2Foman.txt")
        checked = await agent.call_tool("check_claims", {"text": "The talks were in Paris."})
        assert not checked.is_error
        unknown = await agent.call_tool("ask", {"question": "zebra giraffe okapi"})
        assert (unknown.is_error or False, unknown.structured_content["found"]) == (False, False)
        wrong = await agent.call_tool("read_document", {"document_id": "omann.txt"})
        assert "oman.txt" in wrong.content[0].text

    talk(LocalLibrary(settings, ""), use, mode, writes=True)


def test_prompts_say_which_tool_to_use(library: LocalLibrary) -> None:
    async def use(agent: Any) -> Any:
        prompts = {prompt.name: prompt for prompt in (await agent.list_prompts()).prompts}
        assert set(prompts) == {"ask", "check", "check_before_showing", "compare"}
        tools = {tool.name for tool in (await agent.list_tools()).tools}
        assert "ingest" not in tools
        sides = {"first": "the 2019 lease", "second": "the 2024 lease", "aspect": "rent"}
        for name, values in {
            "ask": {"question": "Who led the talks?"},
            "check": {"text": "Oman led them."},
            "check_before_showing": {"task": "Write a note on the lease for Ada."},
            "compare": sides,
        }.items():
            (message,) = (await agent.get_prompt(name, values)).messages
            assert all(value in message.content.text for value in values.values())
            (tool,) = re.findall(r"`([a-z_]+)`", message.content.text)
            assert tool in tools

    talk(library, use, "auto")


def test_the_skill_is_served_with_its_digest(library: LocalLibrary) -> None:
    async def use(agent: Any) -> Any:
        assert agent.server_capabilities.extensions["io.modelcontextprotocol/skills"] == {}
        listing: Any = Request(method="skills/list", params=RequestParams())
        (entry,) = (await agent.session.send_request(listing, AnyResult))["skills"]
        getting: Any = Request(method="skills/get", params=GetSkill(uri=entry["uri"]))
        assert (await agent.session.send_request(getting, AnyResult))["skill"] == entry
        getting = Request(method="skills/get", params=GetSkill(uri="skill://other/SKILL.md"))
        with pytest.raises(MCPError, match="no skill skill://other/"):
            await agent.session.send_request(getting, AnyResult)
        assert entry["frontmatter"]["name"] == entry["uri"].split("/")[-2] == "rag"
        (file,) = entry["resources"]
        (content,) = (await agent.read_resource(file["uri"])).contents
        data = content.text.encode()
        assert file["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert file["size"] == len(data)
        assert yaml.safe_load(content.text.split("---\n")[1]) == entry["frontmatter"]

    talk(library, use, "auto")


def test_a_call_may_name_a_collection(settings: Settings, library: LocalLibrary) -> None:
    with closing(build.collections(settings)) as collections:
        collections.create("contracts")
    contracts = library.in_collection("contracts")
    contracts.ingest("lease.txt", "The lease of Ada Lovelace ends in May 2027.")
    library.ingest("oman.txt", OMAN)

    async def use(agent: Any) -> Any:
        question = {"question": "When does the lease of Ada end?"}
        in_collection = await agent.call_tool("ask", {**question, "collection": "contracts"})
        assert (
            in_collection.structured_content["citations"][0]["document_id"] == "uploads/lease.txt"
        )
        listed = await agent.call_tool("list_documents", {"collection": "default"})
        assert [row["document_id"] for row in listed.structured_content["documents"]] == [
            "uploads/oman.txt"
        ]
        for name, words in (("contract", "did you mean contracts?"), (7, "`collection`")):
            wrong = await agent.call_tool("ask", {**question, "collection": name})
            assert wrong.is_error
            assert words in wrong.content[0].text

    talk(library, use, "auto")
