"""Links of citations: addresses that open a document at the quote, on the page or for agents."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from rag.settings import DEFAULT_COLLECTION


def page_of(base: str, collection: str) -> str:
    """URL of the page of the service at `base`, which ends in "/", for links into a collection. The
    part after # is not sent to the server.
    """
    query = "" if collection == DEFAULT_COLLECTION else f"collection={quote(collection, safe='')}&"
    return f"{base}#{query}"


def page_link(page: str, document_id: str, start: int, end: int) -> str:
    """URL that opens a document at a place on a `page` of `page_of`."""
    place = urlencode({"document": document_id, "start": start, "end": end}, quote_via=quote)
    return f"{page}{place}"


def resource_link(document_id: str, start: int, end: int) -> str:
    """MCP resource URI with a character range as in RFC 5147."""
    return f"rag://document/{quote(document_id, safe='')}#char={start},{end}"
