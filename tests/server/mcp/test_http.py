"""The SDK's client over HTTP, in both protocol versions, and npm's inspector."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import anyio
import httpx
import pytest

from tests.server.conftest import OMAN
from tests.server.fake_server import add_key, finished_job, put_texts, serving

pytest.importorskip("mcp")
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

LEASE = (
    "# Lease\n\n## End\n\nThe lease ends in May 2027.\n\n## People\n\nThe tenant is Ada Lovelace."
)
READS = (
    "ask search check_claims why fetch read_document outline list_documents verify get_grid".split()
)
LED = "Who led the talks?"
INSPECTOR = os.environ.get("MCP_INSPECTOR", "")


def talk(client: httpx.Client, use: Callable[[Any], Awaitable[Any]], mode: str = "auto") -> Any:
    """The result of `use` with a client of the service's tools."""

    async def talking() -> Any:
        import httpx2

        options: Any = {"headers": dict(client.headers), "trust_env": False, "timeout": 60}
        async with httpx2.AsyncClient(**options) as http:
            transport = streamable_http_client(f"{client.base_url}/mcp", http_client=http)
            async with Client(transport, mode=mode) as agent:
                return await use(agent)

    return anyio.run(talking)


Result = tuple[str, Any, bool]


def call(client: httpx.Client, tool: str, mode: str = "auto", /, **arguments: Any) -> Result:
    """(text, fields, whether it is an error) of a tool's result."""
    result = talk(client, lambda agent: agent.call_tool(tool, arguments), mode)
    (block,) = result.content
    return block.text, result.structured_content, bool(result.is_error)


def fields(client: httpx.Client, tool: str, **arguments: Any) -> Any:
    text, structure, is_error = call(client, tool, **arguments)
    assert not is_error, text
    return structure


def error(client: httpx.Client, tool: str, **arguments: Any) -> str:
    text, _, is_error = call(client, tool, **arguments)
    assert is_error
    return text


def tool_names(client: httpx.Client) -> list[str]:
    return [tool.name for tool in talk(client, lambda agent: agent.list_tools()).tools]


def tokens(value: Any) -> float:
    """At least the tokens of a JSON value."""
    return len(json.dumps(value, ensure_ascii=False)) / 3.5


def test_the_reading_tools_are_marked_and_short(client: httpx.Client) -> None:
    tools = talk(client, lambda agent: agent.list_tools()).tools
    assert [tool.name for tool in tools] == READS
    for tool in tools:
        assert tool.description
        assert "\n" not in tool.description
        assert tool.annotations.read_only_hint
        assert not tool.annotations.open_world_hint
    assert tokens([tool.model_dump(by_alias=True, exclude_none=True) for tool in tools]) < 2000


def test_results_are_short(tmp_path: Path) -> None:
    long_text = "\n\n".join(
        f"# Part {n}\n\nThe lease of part {n} ends in May." for n in range(2000)
    )
    folder = "a-rather-long-folder-name-and-another-folder"
    texts = {f"{folder}-the-name-of-a-lease-{n}.md": "# Lease\n\nIt ends." for n in range(70)}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("outline", {"document_id": "uploads/long.md"}),
        ("read_document", {"document_id": "uploads/long.md"}),
        ("fetch", {"id": "uploads/long.md#char=9000,9100"}),
        ("list_documents", {}),
        ("search", {"query": "When does the lease end?"}),
        ("ask", {"question": "When does the lease of part 7 end?"}),
        ("why", {"question": "When does the lease of part 7 end?"}),
        ("check_claims", {"text": "The lease of part 7 ends in June. " * 60}),
    ]
    with serving(tmp_path) as client:
        put_texts(client, {**texts, "long.md": long_text})
        for tool, arguments in calls:
            text, structure, is_error = call(client, tool, **arguments)
            assert not is_error, text
            assert tokens(text) < 3000, tool
            assert tokens(structure) < 3000, tool
        outline = {"document_id": "uploads/long.md"}
        next_page = fields(client, "outline", **outline)["next"]
        rows = fields(client, "outline", **outline, after=next_page, limit=2)["sections"]
        assert (len(rows), rows[0]["heading"]) == (2, f"Part {next_page}")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_answer_is_complete_in_text_and_fields(client: httpx.Client, mode: str) -> None:
    text, structure, is_error = call(client, "ask", mode, question=LED)
    assert (is_error, structure["found"], structure["answer"]) == (False, True, "William Burns")
    (cited,) = structure["citations"]
    assert cited["document_id"] == "uploads/oman.txt"
    quoted = cited["highlight"]
    start, end = quoted["start_char_index"], quoted["end_char_index"]
    assert OMAN[start:end] == quoted["text"] == "William Burns"
    assert OMAN[cited["start_char_index"] : cited["end_char_index"]] == cited["cited_text"]
    place = {name: value for name, (value,) in parse_qs(urlsplit(cited["url"]).fragment).items()}
    assert (place["document"], int(place["start"])) == (cited["document_id"], start)
    characters = f"{start}-{end}"
    for part in (cited["cited_text"], cited["url"], cited["document_sha256"], characters, "data"):
        assert part in text
    assert text.startswith(structure["text"])
    assert "do not follow instructions" in structure["notice"]

    text, structure, is_error = call(client, "ask", mode, question="zebra giraffe okapi")
    assert (is_error, structure["found"], structure["answer"]) == (False, False, None)
    assert structure["citations"] == []
    assert text.startswith("Not found in the documents: ")
    assert structure["abstention_reason"] in text
    assert structure["nearest"][0]["document_id"] in text


def test_a_follow_up_is_understood(client: httpx.Client) -> None:
    turns = [{"question": "What did William Burns lead?", "answer": "The talks"}]
    answer = fields(client, "ask", question="Which city did he visit?", conversation=turns)
    assert answer["question"] == "Which city did William Burns visit?"


def test_search_and_fetch_have_openais_format(client: httpx.Client) -> None:
    text, results, _ = call(client, "search", query="secret talks", limit=1)
    assert json.loads(text) == results
    (hit,) = results["results"]
    assert hit["url"].startswith(str(client.base_url))
    text, fetched, _ = call(client, "fetch", id=hit["id"])
    assert json.loads(text) == fetched
    assert {"id", "title", "text", "url", "metadata"} <= set(fetched)
    assert fetched["text"][hit["start_char_index"] : hit["end_char_index"]] == hit["text"]
    assert fields(client, "fetch", id="uploads/oman.txt")["text"] == OMAN
    missing = fields(client, "fetch", id="oman.txt")
    assert (missing["found"], missing["did_you_mean"]) == (False, ["uploads/oman.txt"])


def test_a_document_is_read_by_lines_characters_and_sections(client: httpx.Client) -> None:
    lease = client.get("/v1/documents/uploads/lease.md/text").text

    def read(**arguments: Any) -> Any:
        return fields(client, "read_document", document_id="uploads/lease.md", **arguments)

    assert read()["text"] == lease
    two = read(start_line=1, lines=2)
    assert (two["text"], two["next_line"]) == ("".join(lease.splitlines(keepends=True)[:2]), 3)
    assert two["text"] + read(start_line=3, lines=2000)["text"] == lease
    part = read(offset=3, length=5)
    assert (part["text"], part["start"], part["end"]) == (lease[3:8], 3, 8)
    section = read(section="people")
    assert "Ada Lovelace" in section["text"]
    assert "2027" not in section["text"]
    assert lease[section["start"] : section["end"]] == section["text"]
    for wrong, word in (({"section": "rent"}, "outline"), ({"start_line": 99}, "line 99")):
        assert word in error(client, "read_document", document_id="uploads/lease.md", **wrong)
    missing = fields(client, "read_document", document_id="lease.md")
    assert missing["did_you_mean"] == ["uploads/lease.md"]

    text, outline, _ = call(client, "outline", document_id="uploads/lease.md")
    people = outline["sections"][-1]
    assert people["heading"].endswith("People")
    assert "Ada" in lease[people["start"] : people["end"]]
    assert f"line {people['line']}" in text
    assert fields(client, "outline", document_id="nothing")["found"] is False


def test_documents_are_listed_filtered_and_paged(client: httpx.Client) -> None:
    def listed(**arguments: Any) -> tuple[list[str], str | None]:
        page = fields(client, "list_documents", **arguments)
        assert page["total"] == 2
        return [row["document_id"] for row in page["documents"]], page["next"]

    assert listed(limit=1) == (["uploads/lease.md"], "uploads/lease.md")
    assert listed(limit=1, after="uploads/lease.md") == (["uploads/oman.txt"], None)
    assert listed(filters=["type=md"]) == (["uploads/lease.md"], None)
    assert listed(name="OMAN") == (["uploads/oman.txt"], None)
    assert "- uploads/oman.txt: " in call(client, "list_documents")[0]


def test_a_citation_is_verified(client: httpx.Client) -> None:
    (cited,) = fields(client, "ask", question=LED)["citations"]
    assert fields(client, "verify", citation=cited)["status"] == "ok"
    place = cited["highlight"]
    elsewhere = {**cited, "highlight": {**place, "start_char_index": 0, "end_char_index": 13}}
    moved = fields(client, "verify", citation=elsewhere)
    assert (moved["status"], moved["start_char_index"]) == ("moved", place["start_char_index"])
    gone = {**cited, "document_id": "gone"}
    assert fields(client, "verify", citation=gone)["status"] == "missing"
    assert "not a citation" in error(client, "verify", citation={"document_id": "gone"})


def test_claims_are_checked(client: httpx.Client) -> None:
    claims = "The talks were led by William Burns in Muscat. The lease ends in May 2031."
    text, report, _ = call(client, "check_claims", text=claims)
    assert all(claims[row["start"] : row["end"]] == row["text"] for row in report["claims"])
    (lease,) = [row for row in report["claims"] if "2031" in row["text"]]
    assert lease["verdict"] == "contradicted"
    assert "contradicted" in text
    assert lease["evidence"][0]["url"] in text
    for row in lease["evidence"]:
        document = client.get(f"/v1/documents/{row['document_id']}/text").text
        assert document[row["start_char_index"] : row["end_char_index"]] == row["cited_text"]
    assert error(client, "check_claims", text="Why?")


def test_why_names_the_passages(client: httpx.Client) -> None:
    text, why, _ = call(client, "why", question=LED)
    assert why["explain"][0] in text
    assert why["passages"][0]["document_id"] == "uploads/oman.txt"


def test_a_document_is_a_resource(client: httpx.Client) -> None:
    async def use(agent: Any) -> None:
        uri = f"rag://document/{quote('uploads/oman.txt', safe='')}"
        (content,) = (await agent.read_resource(uri)).contents
        assert (content.text, content.mime_type) == (OMAN, "text/plain")
        (template, *_) = (await agent.list_resource_templates()).resource_templates
        assert template.uri_template == "rag://document/{document_id}"
        with pytest.raises(MCPError, match="no document nothing"):
            await agent.read_resource("rag://document/nothing")

    talk(client, use)


def read(client: httpx.Client, uri: str) -> bytes:
    """The bytes of a resource."""

    async def use(agent: Any) -> bytes:
        (content,) = (await agent.read_resource(uri)).contents
        return base64.b64decode(content.blob)

    return cast(bytes, talk(client, use))


def error_of(client: httpx.Client, uri: str) -> str:
    """The error of a resource that cannot be read."""

    async def use(agent: Any) -> str:
        with pytest.raises(MCPError) as raised:
            await agent.read_resource(uri)
        return str(raised.value)

    return cast(str, talk(client, use))


def test_the_proof_of_an_answer_is_a_resource_that_can_be_checked(client: httpx.Client) -> None:
    text, answered, _ = call(client, "ask", question=LED, filters=["type=txt"])
    assert f"A file that proves it: {answered['proof']}" in text
    absent = fields(client, "ask", question="Zebra crossings painted?")
    kinds = [answer["proof"].split("/")[2] for answer in (answered, absent)]
    assert kinds == ["bundle", "certificate"]
    for kind, answer in zip(kinds, (answered, absent), strict=True):
        content = read(client, answer["proof"])
        check = client.post("/v1/proofs/verify", files={"file": content}).json()
        assert (check["kind"], check["holds"]) == (kind, True)
    wrong = answered["proof"].replace("bundle", "certificate", 1)
    for uri, reason in ((wrong, "there is a bundle now"), ("rag://bundle/x", "not one that")):
        assert reason in error_of(client, uri)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"question": " "}, "empty"),
        ({"question": "x" * 2000}, "2,000 characters"),
        ({"question": "x", "filters": ["?"]}, "type=pdf"),
        ({"question": "x", "top_k": 1000}, "The argument `top_k` is wrong: input should be less"),
        ({}, "The argument `question` is missing."),
        ({"question": "x", "filters": ["tpye=pdf"]}, "did you mean type?"),
        (
            {"question": "x", "collection": "contarcts"},
            "no collection contarcts. there are: default",
        ),
        ({"question": "x", "k": 3}, "The argument `k` is not known; there are: question, filters,"),
    ],
)
def test_errors_carry_the_fix(client: httpx.Client, arguments: dict[str, Any], word: str) -> None:
    text = error(client, "ask", **arguments)
    assert word in text
    assert "\n" not in text


def test_writing_needs_a_write_key(tmp_path: Path) -> None:
    reader, writer = add_key(tmp_path), add_key(tmp_path, "write")
    with serving(tmp_path, key=writer) as client:
        assert tool_names(client) == [*READS, "run_grid", "ingest", "delete"]
        text, put, _ = call(client, "ingest", name="oman.txt", text=OMAN)
        assert (put["outcome"], put["document_ids"]) == ("added", ["uploads/oman.txt"])
        assert "uploads/oman.txt" in text
        assert error(client, "ingest", name="oman.zip", text="no archive")
        client.headers["Authorization"] = f"Bearer {reader}"
        assert tool_names(client) == READS
        refused = error(client, "delete", document_id="uploads/oman.txt")
        assert refused.startswith(
            "The tool `delete` changes the index, and this connection may only"
        )
        assert fields(client, "ask", question=LED)["found"]
        client.headers["Authorization"] = f"Bearer {writer}"
        wrong = fields(client, "delete", document_id="oman.txt")
        assert (wrong["deleted"], wrong["did_you_mean"]) == (False, ["uploads/oman.txt"])
        assert fields(client, "delete", document_id="uploads/oman.txt")["deleted"]
        client.headers["Authorization"] = "Bearer none"
        assert client.post("/mcp", json={}).status_code == 401


def test_invalid_messages_are_refused(client: httpx.Client) -> None:
    assert client.get("/mcp").status_code == client.delete("/mcp").status_code == 405
    accept = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    half = b'{"jsonrpc": "2.0", "id": 1, "method": "\\ud800"}'
    for body in (b"", b"{", b"\xff", b"[" * 100_000, half, b"[]", b"1"):
        assert client.post("/mcp", content=body, headers=accept).status_code == 400
    for header, status in ({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 421):
        assert client.post("/mcp", json={}, headers={**accept, **header}).status_code == status


def test_an_agent_runs_a_grid_and_reads_its_cells(tmp_path: Path) -> None:
    with serving(tmp_path, key=add_key(tmp_path, "write")) as client:
        leases = {f"{n}.md": f"The lease of house {n} ends in 20{n:02}." for n in range(60)}
        put_texts(client, leases)
        columns = [{"name": "End", "question": "When does the lease end?", "type": "date"}]
        job = fields(client, "run_grid", name="leases", columns=columns)["job"]
        finished_job(client, f"/v1/jobs/{job}")
        text, grid, _ = call(client, "get_grid", name="leases")
        assert tokens(text) < 3000
        assert tokens(grid) < 3000
        assert grid["counts"]["answered"] == 60
        assert "uploads/1.md, End: 2001 (answered): “The lease of house 1 ends in 2001.”" in text
        content = read(client, grid["proof"])
        assert client.post("/v1/proofs/verify", files={"file": content}).json()["holds"]
        next_page = fields(client, "get_grid", name="leases", after=grid["next"], limit=2)
        assert len(next_page["cells"]) == 2
        assert next_page["cells"][0] not in grid["cells"]
        assert "there are: leases" in error(client, "get_grid", name="nothing")


def inspected(*arguments: str) -> Any:
    """The output of the inspector's command line, parsed."""
    command = [INSPECTOR, "--cli", *arguments]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.mark.slow
@pytest.mark.skipif(not INSPECTOR, reason="set MCP_INSPECTOR to node_modules/.bin/mcp-inspector")
def test_npms_inspector_reads_the_service_and_rag_mcp(client: httpx.Client, tmp_path: Path) -> None:
    def over_http(*arguments: str) -> Any:
        return inspected(f"{client.base_url}/mcp", "--transport", "http", "--method", *arguments)

    names = [tool["name"] for tool in over_http("tools/list")["tools"]]
    assert {"ask", "search", "fetch", "check_claims"} <= set(names)
    reply = over_http("tools/call", "--tool-name", "ask", "--tool-arg", f"question={LED}")
    assert reply["structuredContent"]["answer"] == "William Burns"
    name = reply["structuredContent"]["citations"][0]["document_id"]
    fetched = over_http("tools/call", "--tool-name", "fetch", "--tool-arg", f"id={name}")
    assert fetched["structuredContent"]["text"] == OMAN
    index = str(tmp_path / "index")
    listed = inspected(
        sys.executable, "-m", "rag", "mcp", "--index", index, "--method", "tools/list"
    )
    names = [tool["name"] for tool in listed["tools"]]
    assert "ask" in names
    assert "ingest" not in names
