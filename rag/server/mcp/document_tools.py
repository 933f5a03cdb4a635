"""The tools that show documents: whole, in part, in outline, or as a list."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mcp.types import CallToolResult

from rag.errors import InputError
from rag.filters import matches, parse
from rag.server.mcp import tool_schemas, tool_text
from rag.server.mcp.index_access import IndexAccess, every_document, near_ids
from rag.server.mcp.reading import MOST_CHARACTERS, Lines, section_span
from rag.server.mcp.tools import as_json, result
from rag.structure import sections
from rag.types import Document

_PLACE = re.compile(r"(.*)#char=([0-9]{1,12}),([0-9]{1,12})", re.DOTALL)
_AROUND = 8000
"""Number of characters around a place that fetch returns from a long document."""
_WHOLE = 60_000
_MOST_SECTIONS = 400


def fetch(library: IndexAccess, id: str) -> CallToolResult:
    document, start, end = library.document(id), 0, 0
    if document is None and (place := _PLACE.fullmatch(id)):
        start, end = int(place[2]), int(place[3])
        document = library.document(place[1])
    if document is None:
        meant = near_ids(library, id.partition("#char=")[0])
        said = tool_text.not_there(id, meant)
        return as_json(
            tool_schemas.Fetched(
                id=id, title="", text=said, url="", metadata={}, found=False, did_you_mean=meant
            )
        )
    whole = len(document.text) <= _WHOLE
    first, last = (0, len(document.text)) if whole else _window(document.text, start, end)
    facts = {
        "start": str(first),
        "end": str(last),
        "characters": str(len(document.text)),
        "source": document.source,
    }
    made = tool_schemas.Fetched(
        id=id,
        title=document.title,
        text=document.text[first:last],
        url=library.link(document.id, start or first, end or last),
        metadata={**document.metadata, **facts},
    )
    return as_json(made)


def _window(whole: str, start: int, end: int) -> tuple[int, int]:
    start, end = min(start, len(whole)), min(end, len(whole))
    end = max(end, start)
    end = min(end, start + _WHOLE)
    return max(0, start - _AROUND), min(len(whole), max(end, start) + _AROUND)


def read_document(
    library: IndexAccess,
    document_id: str,
    start_line: int,
    lines: int,
    offset: int | None,
    length: int,
    section: str,
) -> CallToolResult:
    document = library.document(document_id)
    if document is None:
        meant = near_ids(library, document_id)
        missing = tool_schemas.Excerpt(found=False, document_id=document_id, did_you_mean=meant)
        return result(missing, tool_text.excerpt(missing))
    places = Lines.of(document.text)
    start, end = _chosen(document, places, start_line, lines, offset, length, section)
    end = min(end, start + MOST_CHARACTERS)
    after = places.line(end) if end < len(document.text) else None
    made = tool_schemas.Excerpt(
        found=True,
        document_id=document.id,
        title=document.title,
        text=document.text[start:end],
        start=start,
        end=end,
        first_line=places.line(start),
        last_line=places.line(max(start, end - 1)),
        total_lines=len(places.starts),
        total_characters=len(document.text),
        next_line=after,
        url=library.link(document.id, start, end),
    )
    return result(made, tool_text.excerpt(made))


def _chosen(
    document: Document,
    places: Lines,
    start_line: int,
    lines: int,
    offset: int | None,
    length: int,
    section: str,
) -> tuple[int, int]:
    if section:
        return section_span(document, section)
    if offset is not None:
        if offset > len(document.text):
            message = (
                f"offset {offset:,} is beyond the {len(document.text):,} characters of "
                f"{document.id}"
            )
            raise InputError(message, "give a smaller one")
        return offset, min(len(document.text), offset + length)
    if start_line > len(places.starts):
        message = f"line {start_line:,} is beyond the {len(places.starts):,} lines of {document.id}"
        raise InputError(message, "give a smaller start_line")
    return places.span(start_line, lines)


def outline(library: IndexAccess, document_id: str) -> CallToolResult:
    document = library.document(document_id)
    if document is None:
        meant = near_ids(library, document_id)
        missing = tool_schemas.Outline(found=False, document_id=document_id, did_you_mean=meant)
        return result(missing, tool_text.outline(missing))
    places = Lines.of(document.text)
    parts = sections(document.blocks)
    ends = [*(part.start for part in parts), len(document.text)][1:]
    found = [
        tool_schemas.Heading(
            heading=part.heading, line=places.line(part.start), start=part.start, end=end
        )
        for part, end in zip(parts, ends, strict=True)
        if part.path
    ]
    made = tool_schemas.Outline(
        found=True,
        document_id=document.id,
        title=document.title,
        total_characters=len(document.text),
        total_lines=len(places.starts),
        sections=found[:_MOST_SECTIONS],
        more=max(0, len(found) - _MOST_SECTIONS),
    )
    return result(made, tool_text.outline(made))


def list_documents(
    library: IndexAccess, filters: Sequence[str], name: str, limit: int, after: str
) -> CallToolResult:
    found = list(_matching(library, filters, name, after, limit + 1))
    page = found[:limit]
    made = tool_schemas.DocumentList(
        documents=[
            tool_schemas.Listed(
                id=one.id, title=one.title, source=one.source, metadata=dict(one.metadata)
            )
            for one in page
        ],
        total=library.count(),
        next=page[-1].id if len(found) > limit else None,
    )
    return result(made, tool_text.documents(made))


def _matching(
    library: IndexAccess, filters: Sequence[str], name: str, after: str, most: int
) -> Iterator[Document]:
    wanted, part = parse(filters), name.casefold()
    left = most
    for document in every_document(library, after):
        if (
            left
            and matches(wanted, document)
            and part in f"{document.id}\n{document.title}".casefold()
        ):
            left -= 1
            yield document
        if not left:
            return
