"""Conditional requests (RFC 9110, 13): a client that has a document already gets 304, and none
changes another's by mistake.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from rag.server.problems import ServiceError
from rag.types import Document


def etag(document: Document) -> str:
    """A strong entity tag: another one when the bytes, the title, the source or the metadata
    change.
    """
    known = [document.sha256, document.title, document.source, sorted(document.metadata.items())]
    return f'"{hashlib.sha256(json.dumps(known).encode()).hexdigest()[:40]}"'


def not_modified(headers: Mapping[str, str], tag: str) -> bool:
    """Whether the client has this already: `If-None-Match` names it."""
    return _names(headers.get("if-none-match", ""), tag, weakly=True)


def check_match(headers: Mapping[str, str], tag: str | None) -> None:
    """`tag`: that of what is there, None if nothing is. Raises ServiceError with 412 where
    `If-Match` or `If-None-Match` forbids a change."""
    wanted, unwanted = headers.get("if-match"), headers.get("if-none-match")
    changed = wanted is not None and (tag is None or not _names(wanted, tag, weakly=False))
    exists = unwanted is not None and tag is not None and _names(unwanted, tag, weakly=True)
    if changed or exists:
        message = (
            "the document is not as If-Match says" if changed else "the document is there already"
        )
        raise ServiceError(
            412, "precondition", message, "get it again, and decide by what it is now"
        )


def _names(value: str, tag: str, weakly: bool) -> bool:
    given = [one.strip() for one in value.split(",")]
    return "*" in given or tag in given or (weakly and f"W/{tag}" in given)
