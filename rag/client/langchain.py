"""LangChain retriever, and a tool that answers with quotes.

    from rag.client import Client
    from rag.client.langchain import RagRetriever, answer_tool

    retriever = RagRetriever(source=Client("http://127.0.0.1:8000"), k=8)
    agent = create_agent(model, [answer_tool(Client("http://127.0.0.1:8000"))])

Needs langchain-core, from the extra `langchain`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.client.passages import ABOUT, TOOL, answered, metadata_of, passages, place_id
from rag.client.service import Client
from rag.engine import Engine
from rag.errors import needs_extra

with needs_extra("langchain", "this"):
    from langchain_core.callbacks import CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.tools import StructuredTool


class RagRetriever(BaseRetriever):  # type: ignore[misc]  # it may not be installed
    """Passages with offsets and scores in their metadata; `source` is a Client or an Engine."""

    source: Any
    k: int = 8
    filters: Sequence[str] = ()

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        hits = passages(self.source, query, self.k, self.filters)
        return [
            Document(page_content=hit.text, metadata=metadata_of(hit), id=place_id(hit))
            for hit in hits
        ]


def answer_tool(source: Client | Engine, filters: list[str] | None = None) -> StructuredTool:
    """A tool for agents: its content is the answer with quotes, its artifact the fields."""

    def ask_documents(question: str) -> tuple[str, dict[str, Any]]:
        return answered(source, question, filters or [])

    return StructuredTool.from_function(
        ask_documents, name=TOOL, description=ABOUT, response_format="content_and_artifact"
    )
