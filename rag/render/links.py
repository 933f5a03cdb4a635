"""Links that open a document at a place."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlencode

SCHEME = "rag://document/"


def page_link(base: str, document_id: str, start: int, end: int) -> str:
    """URL on the service's page at `base`, which ends in "/". The part after # is not sent to the
    server.
    """
    place = urlencode({"document": document_id, "start": start, "end": end}, quote_via=quote)
    return f"{base}#{place}"


def resource_link(document_id: str, start: int, end: int) -> str:
    """MCP resource URI with a character range as in RFC 5147."""
    return f"{resource(document_id)}#char={start},{end}"


def resource(document_id: str) -> str:
    return f"{SCHEME}{quote(document_id, safe='')}"


def document_of(uri: str) -> str:
    """Document id of a resource URI."""
    return unquote(uri.removeprefix(SCHEME).partition("#")[0])
