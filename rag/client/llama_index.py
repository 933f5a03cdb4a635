"""LlamaIndex retriever, and a tool that answers with quotes.

    from rag.client import Client
    from rag.client.llama_index import RagNodeRetriever, answer_tool

    retriever = RagNodeRetriever(Client("http://127.0.0.1:8000"), k=8)
    nodes = retriever.retrieve("When was the JCPOA signed?")

Needs llama-index-core, from the extra `llama-index`.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.client.passages import ABOUT, TOOL, Source, answered, metadata_of, passages, place_id
from rag.client.service import Client
from rag.engine import Engine
from rag.errors import needs_extra
from rag.server.schemas import HitSchema

with needs_extra("llama-index", "this"):
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
    from llama_index.core.tools import FunctionTool

_SCORES = ("score", "dense", "lexical")


class RagNodeRetriever(BaseRetriever):  # type: ignore[misc]  # it may not be installed
    """Passages as nodes, with offsets and scores."""

    def __init__(self, source: Source, k: int = 8, filters: Sequence[str] = ()) -> None:
        self._source = source
        self._k = k
        self._filters = filters
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = passages(self._source, query_bundle.query_str, self._k, self._filters)
        return [NodeWithScore(node=_node(hit), score=hit.scores.score) for hit in hits]


def _node(hit: HitSchema) -> TextNode:
    """A node whose scores and offsets are hidden from models."""
    metadata = metadata_of(hit)
    return TextNode(
        id_=place_id(hit),
        text=hit.text,
        metadata=metadata,
        start_char_idx=hit.start_char_index,
        end_char_idx=hit.end_char_index,
        excluded_llm_metadata_keys=[*_SCORES, "start_char_index", "end_char_index"],
        excluded_embed_metadata_keys=list(metadata),
    )


def answer_tool(source: Client | Engine, filters: Sequence[str] = ()) -> FunctionTool:
    """A tool for agents that returns the answer with quotes as text."""

    def ask_documents(question: str) -> str:
        return answered(source, question, filters)[0]

    return FunctionTool.from_defaults(ask_documents, name=TOOL, description=ABOUT)
