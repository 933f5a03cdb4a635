"""Conditional requests (RFC 9110, section 13): an unchanged document is answered with 304, and no
client overwrites another's change by mistake.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from rag.server.problems import ServiceError
from rag.types import Document


def etag(document: Document) -> str:
    """Strong entity tag, derived from bytes, title, source and metadata."""
    identity = [document.sha256, document.title, document.source, sorted(document.metadata.items())]
    return f'"{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:40]}"'


def not_modified(headers: Mapping[str, str], tag: str) -> bool:
    """Whether `If-None-Match` contains the tag."""
    return _names(headers.get("if-none-match", ""), tag, weakly=True)


def check_match(headers: Mapping[str, str], tag: str | None) -> None:
    """Check `If-Match` and `If-None-Match` before a change. `tag` is the current one, or None if
    the document does not exist. Raises ServiceError with 412.
    """
    required, excluded = headers.get("if-match"), headers.get("if-none-match")
    changed = required is not None and (tag is None or not _names(required, tag, weakly=False))
    exists = excluded is not None and tag is not None and _names(excluded, tag, weakly=True)
    if changed or exists:
        message = (
            "the document does not match If-Match" if changed else "the document exists already"
        )
        raise ServiceError(412, "precondition", message, "get the current version and retry")


def _names(value: str, tag: str, weakly: bool) -> bool:
    tags = [name.strip() for name in value.split(",")]
    return "*" in tags or tag in tags or (weakly and f"W/{tag}" in tags)
