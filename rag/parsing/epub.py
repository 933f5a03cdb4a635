"""EPUB: a zip of HTML pages, in the order of its spine."""

import posixpath
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from lxml import etree

from rag.parsing import html
from rag.parsing.archives import parts
from rag.parsing.base import Member, Parsed, ParseError, Part, join, one_line
from rag.parsing.encoding import decode

_MOST_BYTES = 300_000_000
_METADATA = {
    **{name: name for name in ("title", "language", "date", "description", "publisher")},
    "creator": "author",
    "subject": "keywords",
}
_DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
_NOT_KNOWN = ("Unknown Title", "Unknown Author")
"""LibreOffice's placeholders for missing values."""


def parse(content: bytes) -> Parsed:
    """Text, headings and metadata. Raises ParseError if it is broken or encrypted."""
    book = _Book(content)
    files = book.markup("META-INF/container.xml").iter("{*}rootfile")
    path = next((str(file.get("full-path", "")) for file in files), None)
    if path is None:
        raise ParseError("is not an EPUB: it has no package file")
    package = book.markup(path)
    return Parsed(*join(_parts(book, package, posixpath.dirname(path))), _metadata(package))


class _Book:
    """Its files by name, with a limit on their total size."""

    def __init__(self, content: bytes) -> None:
        self._parts: dict[str, Member] = {part.name: part for part in parts(content)}
        self._left = _MOST_BYTES

    def markup(self, name: str) -> Any:
        """Root of an XML file, as far as it is well-formed, without entities and network."""
        safe = {"resolve_entities": False, "no_network": True}
        parser = etree.XMLParser(recover=True, remove_comments=True, remove_pis=True, **safe)
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
        tags = package.iter(_DUBLIN_CORE + name)
        texts = [one_line("".join(tag.itertext())) for tag in tags]
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
