"""Addresses that open a document at a place."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlencode

SCHEME = "rag://document/"


def page_link(base: str, document_id: str, start: int, end: int) -> str:
    """On the service's page at `base`, which ends in "/": what follows # stays in the browser."""
    place = urlencode({"document": document_id, "start": start, "end": end}, quote_via=quote)
    return f"{base}#{place}"


def resource_link(document_id: str, start: int, end: int) -> str:
    """As an MCP resource, with the characters as RFC 5147 names them."""
    return f"{resource(document_id)}#char={start},{end}"


def resource(document_id: str) -> str:
    return f"{SCHEME}{quote(document_id, safe='')}"


def document_of(uri: str) -> str:
    """The id in a resource's address."""
    return unquote(uri.removeprefix(SCHEME).partition("#")[0])
