"""EPUB: a zip of HTML pages, in the order of its spine."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from lxml import etree

from rag.parsing import html
from rag.parsing.archives import parts
from rag.parsing.base import Member, Parsed, ParseError, Part, join
from rag.parsing.encoding import decode

_MOST_BYTES = 300_000_000
_METADATA = {
    "title": "title",
    "creator": "author",
    "language": "language",
    "date": "date",
    "subject": "keywords",
    "description": "description",
    "publisher": "publisher",
}
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_NOT_KNOWN = ("Unknown Title", "Unknown Author")
"""LibreOffice's placeholders for missing values."""


def parse(content: bytes) -> Parsed:
    """Text, headings and metadata. Raises ParseError if it is broken or encrypted."""
    book = _Book(content)
    chapters = [
        path.get("full-path", "")
        for path in book.markup("META-INF/container.xml").iter("{*}rootfile")
    ]
    if not chapters:
        raise ParseError("is not an EPUB: it has no package file")
    package = book.markup(str(chapters[0]))
    return Parsed(
        *join(_parts(book, package, posixpath.dirname(str(chapters[0])))), _metadata(package)
    )


class _Book:
    """Its files by name, with a limit on their total size."""

    def __init__(self, content: bytes) -> None:
        self._parts: dict[str, Member] = {part.name: part for part in parts(content)}
        self._left = _MOST_BYTES

    def markup(self, name: str) -> Any:
        """Root of an XML file, as far as it is well-formed; entities are not expanded, and nothing
        is loaded.
        """
        parser = etree.XMLParser(
            recover=True,
            resolve_entities=False,
            no_network=True,
            remove_comments=True,
            remove_pis=True,
        )
        root = etree.fromstring(self.text(name).encode("utf-8", "replace"), parser)
        return etree.Element("empty") if root is None else root

    def text(self, name: str) -> str:
        part = self._parts.get(name)
        if part is None:
            raise ParseError(f"is an incomplete EPUB: {name} is missing")
        content = part.read(self._left)
        self._left -= len(content)
        return decode(content)


def _metadata(package: Any) -> dict[str, str]:
    values: dict[str, list[str]] = {}
    for name, key in _METADATA.items():
        texts = [
            " ".join("".join(tag.itertext()).split()) for tag in package.iter(_DUBLIN_CORE + name)
        ]
        texts = [text for text in texts if text not in _NOT_KNOWN]
        values[key] = texts if key in ("author", "keywords") else texts[:1]
    return {key: ", ".join(filter(None, texts)) for key, texts in values.items() if any(texts)}


def _parts(book: _Book, package: Any, folder: str) -> Iterator[Part]:
    items = {item.get("id"): item for item in package.iter("{*}item")}
    for reference in package.iter("{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is not None and "nav" not in item.get("properties", "").split():
            name = posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
            if "html" in item.get("media-type", "html"):
                yield from html.fragment(book.text(name))
