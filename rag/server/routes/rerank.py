"""Reranking in Jina's and Cohere's format: `POST /v1/rerank` (`/v2/rerank` for Cohere's clients).

The texts come with the request; the index is not asked. A text is as relevant as its best passage
is likely, by the reader, to contain an answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from rag import build
from rag.answering.searcher import check_question
from rag.ingestion.chunking import split
from rag.server.auth import Right, needs
from rag.server.caller import Caller
from rag.server.schemas import Loose, Short, Text
from rag.server.state import Service, Shared, caller_of
from rag.types import Document, Hit, Span

router = APIRouter(tags=["integrations"])
_LEAST = -9.0
"""Log-odds of a text without words."""
_CHARACTERS_PER_TOKEN = 4
_READ_TOGETHER = 16
"""Texts that are split, and passages that are read, before another caller's turn."""
_READ_AGAIN = 8
"""Texts whose best passage the large reader reads, too; their score is the mean of both."""


class TextOf(Loose):
    text: Text


class RerankRequest(Loose):
    """Jina's and Cohere's fields; `model` is repeated in the answer, and others are ignored."""

    model: Short = "rag"
    query: Text = Field(examples=["Who led the talks?"])
    documents: list[Text | TextOf] = Field(min_length=1, max_length=1000)
    top_n: int | None = Field(default=None, ge=1, description="By default, all are returned.")
    return_documents: bool | None = True


class RankedDocument(BaseModel):
    index: int = Field(description="Its place in `documents`, from 0.")
    relevance_score: float = Field(ge=0, le=1)
    document: TextOf | None = None


class Reranked(BaseModel):
    """The documents, most relevant first. No tokens are billed, so `usage` and `meta` are zeros."""

    id: str
    model: str
    results: list[RankedDocument]
    usage: dict[str, int] = {"prompt_tokens": 0, "total_tokens": 0}
    meta: dict[str, Any] = {"api_version": {"version": "1"}, "billed_units": {"search_units": 0}}


@router.post("/v1/rerank", response_model_exclude_none=True)
@router.post("/v2/rerank", response_model_exclude_none=True, include_in_schema=False)
@needs(Right.ANY)
def rerank(body: RerankRequest, request: Request, service: Shared) -> Reranked:
    """Order texts by how likely each answers a question."""
    query = check_question(body.query, service.settings.max_question)
    texts = [
        document if isinstance(document, str) else document.text for document in body.documents
    ]
    caller = caller_of(request)
    scores = _scores(query, texts, service, caller)
    best = sorted(range(len(texts)), key=lambda index: -scores[index])[: body.top_n]
    results = [
        RankedDocument(
            index=index,
            relevance_score=1 / (1 + math.exp(-scores[index])),
            document=TextOf(text=texts[index]) if body.return_documents else None,
        )
        for index in best
    ]
    return Reranked(id=request.state.request_id, model=body.model, results=results)


def _scores(query: str, texts: Sequence[str], service: Service, caller: Caller) -> list[float]:
    """Log-odds that each text answers the query. Raises ServiceError after the deadline."""
    run = service.runner(caller)
    hits: list[Hit] = []
    for start in range(0, len(texts), _READ_TOGETHER):
        hits += run(partial(_passages, texts[start : start + _READ_TOGETHER], start))
    small, large = build.stages(service.engine.reader)
    best: dict[int, Span] = {}
    for start in range(0, len(hits), _READ_TOGETHER):
        for span in run(partial(small.read, query, hits[start : start + _READ_TOGETHER])).spans:
            index = int(span.hit.passage.document_id)
            best[index] = max(span, best.get(index, span), key=lambda span: span.score)
    scores = [best[index].score if index in best else _LEAST for index in range(len(texts))]
    if large is not small:
        likely = sorted(best, key=lambda index: -scores[index])[:_READ_AGAIN]
        second = run(partial(large.read, query, [best[index].hit for index in likely])).spans
        for index in likely:
            own = [span.score for span in second if span.hit.passage.document_id == str(index)]
            scores[index] = (scores[index] + max(own, default=_LEAST)) / 2
    return scores


def _passages(texts: Sequence[str], first: int) -> list[Hit]:
    """The texts' passages; `document_id` is the number of the text, from `first`."""
    return [
        Hit(passage, 0.0, 0.0, 0.0)
        for index, text in enumerate(texts, first)
        for passage in split(Document(str(index), text, "", "", ""), _tokens)
    ]


def _tokens(texts: Sequence[str]) -> list[int]:
    """About as many as there are, without a tokenizer, which belongs to the model thread."""
    return [1 + len(text) // _CHARACTERS_PER_TOKEN for text in texts]
