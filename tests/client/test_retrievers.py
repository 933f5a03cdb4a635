"""Retrievers and tools for other frameworks, against a real service and in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.client import Client
from rag.settings import Settings
from tests.client.test_service import OMAN
from tests.server.fake_server import open_engine, put_text, serving


@pytest.fixture(scope="module", params=["service", "process"])
def source(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    index: Path = tmp_path_factory.mktemp("served")
    with serving(index) as http:
        put_text(http, "oman.txt", OMAN)
        put_text(http, "lease.md", "# Lease\n\nThe lease ends in May 2027.")
        if request.param == "service":
            with Client(str(http.base_url), http=httpx.Client(trust_env=False)) as service:
                yield service
        else:
            yield open_engine(Settings(index=index, threshold=0.15))


def test_langchain_gets_documents_with_places(source: Any) -> None:
    pytest.importorskip("langchain_core")
    from rag.client import langchain

    retrieved = langchain.RagRetriever(source=source, k=2).invoke("secret talks")
    assert retrieved[0].metadata["document_id"] == "uploads/oman.txt"
    place = retrieved[0].metadata
    assert OMAN[place["start_char_index"] : place["end_char_index"]] == retrieved[0].page_content
    filtered = langchain.RagRetriever(source=source, k=2, filters=["type=md"]).invoke(
        "secret talks"
    )
    assert {document.metadata["document_id"] for document in filtered} == {"uploads/lease.md"}
    tool = langchain.answer_tool(source)
    arguments = {"question": "Who led the talks?"}
    called = tool.invoke({"type": "tool_call", "id": "1", "name": tool.name, "args": arguments})
    assert called.content.startswith("William Burns")
    assert "Muscat" in called.content
    assert called.artifact["citations"]
    assert tool.invoke({"question": "zebra giraffe okapi"}).startswith("Not found in the documents")


def test_llama_index_gets_nodes_with_places(source: Any) -> None:
    pytest.importorskip("llama_index.core")
    from rag.client.llama_index import RagNodeRetriever, answer_tool

    retrieved = RagNodeRetriever(source, k=2).retrieve("secret talks")
    node = retrieved[0].node
    assert OMAN[node.start_char_idx : node.end_char_idx] == node.get_content()
    assert node.metadata["document_id"] == "uploads/oman.txt"
    assert retrieved[0].score >= retrieved[-1].score
    called = answer_tool(source).call(question="Who led the talks?")
    assert called.content.startswith("William Burns")
