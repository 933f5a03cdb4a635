"""SearXNG's search API over the index: `GET /search?q=…&format=json`, for Open WebUI, LibreChat and
others that can search the web with SearXNG. `GET /v1/collections/NAME/search` asks a collection.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from rag.errors import InputError
from rag.render.links import page_link
from rag.server.answer_service import ServiceLibrary
from rag.server.openapi import described
from rag.server.rights import Right, needs
from rag.server.routes.openai import page_for
from rag.server.schemas import Options
from rag.server.state import Shared, caller_of
from rag.types import Document, Hit

router = APIRouter(tags=["integrations"])
_ROWS = 10
_TEXT = ("", "general", "news")
"""Categories of text; others, such as images, have no results."""


@router.get("/search", name="search_like_searxng", responses=described(409, 503))
@router.get("/v1/search", include_in_schema=False)
@needs(Right.READ)
def search_like_searxng(
    request: Request,
    service: Shared,
    q: Annotated[str, Query(max_length=100_000, examples=["secret talks"])],
    format: Annotated[str, Query(max_length=20, examples=["json"])] = "html",
    pageno: Annotated[int, Query(ge=1, le=10)] = 1,
    categories: Annotated[str, Query(max_length=500)] = "",
) -> dict[str, Any]:
    """The passages that best match a query, ten a page, in SearXNG's format; send format=json.
    SearXNG's other parameters are ignored.
    """
    if format != "json":
        raise InputError(f"format = {format!r} is not supported", "add &format=json")
    hits: list[Hit] = []
    if any(category.strip() in _TEXT for category in categories.split(",")):
        last = pageno * _ROWS
        hits = ServiceLibrary(service, caller_of(request)).search(q, Options(top_k=last))[
            last - _ROWS :
        ]
    page = page_for(request, request.state.collection)
    results = [_result(hit, service.document(hit.passage.document_id), page) for hit in hits]
    lists = ("answers", "corrections", "infoboxes", "suggestions", "unresponsive_engines")
    empty: dict[str, Any] = {name: [] for name in lists}
    return {"query": q, "number_of_results": len(results), "results": results, **empty}


def _result(hit: Hit, document: Document | None, page: str) -> dict[str, Any]:
    """The address of a web page or of the metadata, or else a link into the service's page."""
    passage = hit.passage
    metadata = document.metadata if document else {}
    own = [document.source, metadata.get("url", "")] if document else []
    web = (address for address in own if address.startswith(("http://", "https://")))
    return {
        "url": next(web, page_link(page, passage.document_id, passage.start, passage.end)),
        "title": passage.context,
        "content": passage.text,
        "engine": "rag",
        "engines": ["rag"],
        "category": "general",
        "score": hit.score,
        "publishedDate": metadata.get("date"),
    }
