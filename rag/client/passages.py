"""Passages and answers of a service or of an engine in this process, for other frameworks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rag.answering.searcher import Searcher
from rag.client.service import Client
from rag.engine import Engine
from rag.filters import parse
from rag.render.cited import cited

TOOL = "ask_documents"
ABOUT = (
    "Answer a question from the user's documents, with exact quotes. "
    "If it says that it is not found in the documents, say so; do not answer from memory."
)
"""Name and description of the tool for agents."""
Source = Client | Searcher
"""A client of `rag serve`, or an engine (`rag.build.engine`), which only one thread may use at a
time.
"""


@dataclass(frozen=True, slots=True)
class RetrievedPassage:
    """`document.text[start_char_index:end_char_index] == text`, in code points; higher scores are
    better.
    """

    text: str
    document_id: str
    title: str
    heading: str
    start_char_index: int
    end_char_index: int
    score: float
    dense: float
    lexical: float

    @property
    def id(self) -> str:
        """Document and offsets as one string."""
        return f"{self.document_id}#char={self.start_char_index},{self.end_char_index}"

    @property
    def metadata(self) -> dict[str, Any]:
        """All fields except the text."""
        return {name: value for name, value in asdict(self).items() if name != "text"}


def passages(
    source: Source, question: str, k: int, filters: Sequence[str]
) -> list[RetrievedPassage]:
    """The `k` best passages, best first. Raises RagError."""
    if isinstance(source, Client):
        return [
            RetrievedPassage(
                *(hit.text, hit.document_id, hit.title, " > ".join(hit.headings)),
                *(hit.start_char_index, hit.end_char_index),
                *(hit.scores.score, hit.scores.dense, hit.scores.lexical),
            )
            for hit in source.search(question, filters, k)
        ]
    return [
        RetrievedPassage(
            *(one.text, one.document_id, one.title, one.heading, one.start, one.end),
            *(hit.score, hit.dense, hit.lexical),
        )
        for hit in source.search(question, k, parse(filters) or None)
        for one in [hit.passage]
    ]


def answered(
    source: Client | Engine, question: str, filters: Sequence[str]
) -> tuple[str, dict[str, Any]]:
    """Returns the answer with [n] marks and quotes (or that there is none), and the same as
    fields.
    """
    if isinstance(source, Client):
        served = source.ask(question, filters)
        head = served.answer or f"Not found in the documents: {served.abstention_reason or ''}"
        quotes = (f"[{c.index}] {c.document_id}: “{c.cited_text}”" for c in served.citations)
        return "\n".join([head, *quotes]), served.model_dump()
    answer = source.ask(question, filter=parse(filters) or None)
    return cited(answer).text, asdict(answer)
