"""EPUB: a zip of HTML pages, in the order of its spine."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from urllib.parse import unquote

from bs4 import BeautifulSoup, Tag

from rag.loading import html
from rag.loading.blocks import Block, join
from rag.loading.encoding import decode
from rag.loading.packed import parts
from rag.loading.parsed import Parsed, Part, Unreadable

_MOST_BYTES = 300_000_000
_METADATA = {
    "dc:title": "title",
    "dc:creator": "author",
    "dc:language": "language",
    "dc:date": "date",
    "dc:subject": "keywords",
    "dc:description": "description",
    "dc:publisher": "publisher",
}
_NOT_KNOWN = ("Unknown Title", "Unknown Author")
"""As LibreOffice says that there is none."""


def parse(content: bytes) -> Parsed:
    """Text, headings and metadata. Raises Unreadable if it is broken or encrypted."""
    book = _Book(content)
    found = [path.get("full-path", "") for path in book.markup("META-INF/container.xml").find_all("rootfile")]
    if not found:
        raise Unreadable("is not an EPUB: it has no package file")
    package = book.markup(str(found[0]))
    return Parsed(*join(_blocks(book, package, posixpath.dirname(str(found[0])))), _metadata(package))


class _Book:
    """Its files by name, together of bounded size."""

    def __init__(self, content: bytes) -> None:
        self._parts: dict[str, Part] = {part.name: part for part in parts(content)}
        self._left = _MOST_BYTES

    def markup(self, name: str) -> BeautifulSoup:
        """A file as HTML reads it: it knows no entities that grow."""
        return html.soup(self.text(name))

    def text(self, name: str) -> str:
        part = self._parts.get(name)
        if part is None:
            raise Unreadable(f"is not a whole EPUB: {name} is missing")
        content = part.read(self._left)
        self._left -= len(content)
        return decode(content)


def _metadata(package: BeautifulSoup) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for name, key in _METADATA.items():
        texts = [tag.get_text(" ", strip=True) for tag in package.find_all(name)]
        texts = [text for text in texts if text not in _NOT_KNOWN]
        found[key] = texts if key in ("author", "keywords") else texts[:1]
    return {key: ", ".join(filter(None, texts)) for key, texts in found.items() if any(texts)}


def _blocks(book: _Book, package: BeautifulSoup, folder: str) -> Iterator[Block]:
    items = {item.get("id"): item for item in package.find_all("item")}
    for reference in package.find_all("itemref"):
        item = items.get(reference.get("idref"))
        if isinstance(item, Tag) and "nav" not in str(item.get("properties", "")).split():
            name = posixpath.normpath(posixpath.join(folder, unquote(str(item.get("href", "")))))
            if "html" in str(item.get("media-type", "html")):
                yield from html.fragment(book.text(name))
