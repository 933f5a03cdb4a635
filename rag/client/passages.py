"""Passages and answers of a service or of an engine in this process, for other frameworks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.client.service import Client
from rag.engine import Engine
from rag.filters import parse
from rag.render.cited import cited
from rag.server.schemas import HitSchema
from rag.types import path_of

TOOL = "ask_documents"
ABOUT = (
    "Answer a question from the user's documents, with exact quotes. "
    "If it says that it is not found in the documents, say so; do not answer from memory."
)
"""Name and description of the tool for agents."""
Source = Client | Engine
"""A client of `rag serve`, or an engine (`rag.build.engine`), for one thread at a time."""


def passages(source: Source, question: str, k: int, filters: Sequence[str]) -> list[HitSchema]:
    """The `k` best passages, best first. Raises RagError."""
    if isinstance(source, Client):
        return source.search(question, filters, k)
    hits = source.search(question, k, parse(filters))
    return [HitSchema.model_validate(hit.to_dict()) for hit in hits]


def place_id(hit: HitSchema) -> str:
    """Document and offsets as one string."""
    return f"{hit.document_id}#char={hit.start_char_index},{hit.end_char_index}"


def metadata_of(hit: HitSchema) -> dict[str, Any]:
    """Document, headings, offsets in code points, and scores; higher is better."""
    places = {"document_id", "title", "start_char_index", "end_char_index"}
    scores = hit.scores.model_dump(include={"score", "dense", "lexical"})
    return {**hit.model_dump(include=places), "heading": path_of(hit.headings), **scores}


def answered(
    source: Client | Engine, question: str, filters: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """The answer with [n] marks and quotes, or the refusal, as text and as fields."""
    if isinstance(source, Client):
        served = source.ask(question, filters)
        head = served.answer or f"Not found in the documents: {served.abstention_reason or ''}"
        quotes = (f"[{c.index}] {c.document_id}: “{c.cited_text}”" for c in served.citations)
        return "\n".join([head, *quotes]), served.model_dump()
    answer = source.ask(question, filter=parse(filters))
    return cited(answer).text, answer.to_dict()
