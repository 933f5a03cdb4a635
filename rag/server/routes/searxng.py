"""SearXNG's search API over the index: `GET /search?q=…&format=json`, for Open WebUI, LibreChat and
others that can search the web with SearXNG. `GET /v1/collections/NAME/search` asks a collection.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from rag.errors import InputError
from rag.server.auth import Right, needs
from rag.server.routes.openai import passages_of
from rag.server.schemas import Options
from rag.types import Document, Hit

router = APIRouter(tags=["integrations"])
_ROWS = 10
_TEXT = ("", "general", "news")
"""Categories of text; others, such as images, have no results."""


@router.get("/search", name="search_like_searxng")
@router.get("/v1/search", include_in_schema=False)
@needs(Right.READ)
def search_like_searxng(
    request: Request,
    q: Annotated[str, Query(max_length=100_000, examples=["secret talks"])],
    format: Annotated[str, Query(max_length=20, examples=["json"])] = "html",
    pageno: Annotated[int, Query(ge=1, le=10)] = 1,
    categories: Annotated[str, Query(max_length=500)] = "",
) -> dict[str, Any]:
    """The passages that best match a query, ten a page, in SearXNG's format: format=json."""
    if format != "json":
        raise InputError(f"format = {format!r} is not supported", "add &format=json")
    passages = []
    if any(category.strip() in _TEXT for category in categories.split(",")):
        options, after = Options(top_k=pageno * _ROWS), (pageno - 1) * _ROWS
        passages = passages_of(request, request.state.collection, [q], options, after=after)
    results = [_result(*passage) for passage in passages]
    lists = ("answers", "corrections", "infoboxes", "suggestions", "unresponsive_engines")
    empty: dict[str, Any] = {name: [] for name in lists}
    return {"query": q, "number_of_results": len(results), "results": results, **empty}


def _result(hit: Hit, url: str, document: Document | None) -> dict[str, Any]:
    """The address of a web page or of the metadata, or else a link into the service's page."""
    passage = hit.passage
    metadata = document.metadata if document else {}
    own = [document.source, metadata.get("url", "")] if document else []
    web = (address for address in own if address.startswith(("http://", "https://")))
    return {
        "url": next(web, url),
        "title": passage.context,
        "content": passage.text,
        "engine": "rag",
        "engines": ["rag"],
        "category": "general",
        "score": hit.score,
        "publishedDate": metadata.get("date"),
    }
